"""The admin password, asked for again by the commands that need more than a sign-in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from app.cli.client import ApiError, CommandError
from app.cli.context import Context

LIMIT = 4096  # bytes that are read of a file

password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="Read the admin password from a file (- = standard input).",
)


def confirmation(ctx: Context, file: Path | None) -> dict[str, str]:
    """The fields ``password`` and, where there is a second factor, ``code`` of a request's body."""
    fields = {"password": _password(file)}
    if ctx.client.get("/api/auth/session").get("second_factor"):
        fields["code"] = click.prompt("Code", err=True)
    return fields


def call_confirmed(
    ctx: Context,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    file: Path | None,
    *,
    needed: bool = False,
) -> Any:
    """The answer to a request for which the gateway may want the password: then it is asked for.

    It is sent at once where it is in a ``file``, or ``needed`` for sure.
    """
    given = dict(body or {})
    if needed or file is not None:
        return ctx.client.call(method, path, given | confirmation(ctx, file))
    try:
        return ctx.client.call(method, path, body)
    except ApiError as error:
        if (error.code, error.field) != ("missing_field", "password"):
            raise
    return ctx.client.call(method, path, given | confirmation(ctx, None))


def _password(file: Path | None) -> str:
    if file is None:
        return click.prompt("Admin password", hide_input=True, err=True)
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.readline(LIMIT)
        else:
            with file.open("rb") as opened:
                data = opened.read(LIMIT)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    return data.decode("utf-8", "replace").rstrip("\r\n")
