"""What every command is given: the gateway, how to ask it, and whether a program or a person reads the answer."""

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
    token: str | None  # given by hand; else what ``login`` keeps
    json: bool
    _kept: tokens.Tokens | None = field(default=None, repr=False)

    @cached_property
    def client(self) -> Client:
        if self.token is not None:
            return Client(self.url, self.token)
        self._kept = tokens.load(Client(self.url).url)
        return Client(self.url, self._kept.access if self._kept else None, self._renew)

    def keep(self, answer: dict[str, str]) -> str:
        """Keep the tokens of ``answer``; returns the one to ask with."""
        made = tokens.Tokens(answer["access_token"], answer["refresh_token"])
        tokens.save(Client(self.url).url, made)
        self._kept = made
        return made.access

    def forget(self) -> None:
        tokens.save(Client(self.url).url, None)

    def _renew(self) -> str | None:
        """An access token lasts for minutes: get the next one with the refresh token, which is good once.

        One command at a time: a refresh token that two of them used would end the session.
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
