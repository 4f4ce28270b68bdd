"""The context of every command: the gateway's URL, the token, and the form of the output."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cached_property

import click

from app.cli import tokens
from app.cli.client import Client, SignInError


@dataclass
class Context:
    url: str
    token: str | None  # from the environment; else the one that ``login`` keeps
    json: bool
    _kept: tokens.Tokens | None = field(default=None, repr=False)

    @cached_property
    def client(self) -> Client:
        if self.token is not None:
            return Client(self.url, self.token)
        self._kept = tokens.load(Client(self.url).url)
        return Client(self.url, self._kept.access if self._kept else None, self._renew)

    def keep(self, answer: dict[str, str]) -> str:
        """Keep the tokens of ``answer``; returns the access token."""
        made = tokens.Tokens(answer["access_token"], answer["refresh_token"])
        tokens.save(Client(self.url).url, made)
        self._kept = made
        return made.access

    def forget(self) -> None:
        tokens.save(Client(self.url).url, None)

    def _renew(self) -> str | None:
        """Renew the access token, which lasts for minutes, with the refresh token, which is valid once.

        One command at a time does so: a refresh token used twice ends the session.
        """
        if self._kept is None:
            return None
        with tokens.locked():
            now = tokens.load(Client(self.url).url)
            if now is not None and now != self._kept:  # another command was faster
                self._kept = now
                return now.access
            try:
                answer = Client(self.url).post("/api/auth/refresh", {"refresh_token": self._kept.refresh})
            except SignInError:
                with contextlib.suppress(OSError):
                    self.forget()
                return None
            return self.keep(answer)


context = click.make_pass_decorator(Context)
