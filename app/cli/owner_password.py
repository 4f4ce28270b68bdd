"""The admin password, asked for again by the commands that need more than a sign-in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.cli.client import CommandError
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
