"""The commands import, backup, restore, support. Passphrases come by prompt or file, never as an argument."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from app.cli.client import CommandError, segment
from app.cli.context import Context, context
from app.cli.output import clean, moment, put_json, put_pairs
from app.cli.owner_password import confirmation, password_file
from app.encoding import NotTextError, decode

LIMIT = 16 * 1024 * 1024  # bytes that are read of a file; the gateway takes less


def _read(file: Path) -> bytes:
    """The content of ``file``, or of the standard input for ``-``."""
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LIMIT + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(LIMIT + 1)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    if len(data) > LIMIT:
        raise CommandError(f"{file} is larger than any file that the gateway accepts")
    return data


def _passphrase(source: Path | None, *, confirm: bool) -> str:
    if source is not None:
        return _read(source).decode("utf-8", "replace").rstrip("\r\n")
    return click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)


passphrase_file = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), help="Read the passphrase from a file (- = standard input)."
)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default=None, help="The server's name (default: the file's name).")
@click.option("--all-or-nothing", is_flag=True, help="Of a .zip, import all files or none.")
@context
def import_(ctx: Context, file: Path, name: str | None, all_or_nothing: bool) -> None:
    """Import a WireGuard .conf FILE, or a .zip of them; - reads the standard input."""
    data = _read(file)
    if data[:4] == b"PK\x03\x04":
        mode = "atomic" if all_or_nothing else "each"
        path = f"/api/import/bulk?{urlencode({'mode': mode})}"
        _report(ctx, ctx.client.upload(path, data, "application/zip"))
        return
    if name is None and str(file) == "-":
        raise click.UsageError("give the configuration a --name")
    try:
        text = decode(data).text
    except NotTextError as error:
        raise CommandError(f"{file}: {error}") from None
    called = {"file": file.name} if name is None else {"name": name}
    answer = ctx.client.post("/api/import", {**called, "config": text})
    if ctx.json:
        put_json(answer)
        return
    click.echo(f"Imported as {clean(answer.get('server') or name)}.")
    for warning in answer.get("warnings", ()):
        click.echo(f"warning: {clean(warning)}", err=True)
    _offer(answer.get("opens"))


def _offer(opens: dict[str, Any] | None) -> None:
    """Say that the key of a file opens the whole list of its provider, and how."""
    if opens is None:
        return
    title, provider, server = (clean(opens[name]) for name in ("title", "provider", "server"))
    many = f" ({opens['servers']})" if opens["servers"] else ""
    known = (
        f"This is a file of {title}: its key opens"
        if opens["listed"]
        else (f"This looks like a file of {title}; then its key opens")
    )
    click.echo(f"{known} all of {title}'s servers{many}, by: vpn-gateway use-key {provider} {shlex.quote(server)}")


@click.command("use-key")
@click.argument("provider")
@click.argument("server")
@context
def use_key(ctx: Context, provider: str, server: str) -> None:
    """Use the key of the imported SERVER for all servers of its PROVIDER, without an account here."""
    answer = ctx.client.post(f"/api/providers/{segment(provider)}/use-key", {"server": server})
    if ctx.json:
        put_json(answer)
    else:
        click.echo(f"The key of {clean(server)} is used for all servers of {clean(provider)}.")


def _report(ctx: Context, answer: dict[str, Any]) -> None:
    failed = [r for r in answer["results"] if not r["success"]]
    if ctx.json:
        put_json(answer)
    else:
        for result in answer["results"]:
            click.echo(f"{clean(result['file'])}: {'imported' if result['success'] else clean(result['error'])}")
        offers = {o["provider"]: o for r in reversed(answer["results"]) if (o := r.get("opens")) is not None}
        for opens in offers.values():
            _offer(opens)
    if failed:
        raise SystemExit(1)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_file
@password_file
@context
def backup(ctx: Context, file: Path, passphrase_file: Path | None, password_file: Path | None) -> None:
    """Write settings, servers and keys to FILE (- = standard output), encrypted with a passphrase."""
    body = {"passphrase": _passphrase(passphrase_file, confirm=True)} | confirmation(ctx, password_file)
    data = ctx.client.bytes("POST", "/api/backup", json.dumps(body).encode(), expected="application/octet-stream")
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        return
    _write_new(file, data)
    if ctx.json:
        put_json({"file": str(file), "bytes": len(data)})
    else:
        click.echo(f"Written to {file}: {len(data)} bytes. It cannot be read without the passphrase.")


def _write_new(file: Path, data: bytes) -> None:
    """Write ``data`` to a new file, mode 0600; never over an existing one."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            file.unlink()
        raise CommandError(f"{file}: {error.strerror}") from None


@click.command()
@click.option(
    "--output",
    "file",
    type=click.Path(path_type=Path),
    default=None,
    help="The file to write (- = standard output); default: vpn-gateway-support-DATE.txt here.",
)
@context
def support(ctx: Context, file: Path | None) -> None:
    """Write the support file, a text to attach to a report, without secrets and public addresses."""
    data = ctx.client.bytes("GET", "/api/support", expected="text/plain")
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        return
    file = file or Path(f"vpn-gateway-support-{datetime.now(UTC):%Y-%m-%d}.txt")
    _write_new(file, data)
    if ctx.json:
        put_json({"file": str(file), "bytes": len(data)})
    else:
        click.echo(f"Written to {file}: {len(data)} bytes. Read it before you share it.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_file
@password_file
@click.option("--dry-run", is_flag=True, help="Only check; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["direct", "default_policy", "new_devices", "exit_check", "roles", "self_service"]),
    help="Let the backup open this, without a question; may be repeated. A dry run lists what it opens.",
)
@context
def restore(
    ctx: Context,
    file: Path,
    passphrase_file: Path | None,
    password_file: Path | None,
    dry_run: bool,
    yes: bool,
    accept: tuple[str, ...],
) -> None:
    """Replace all settings, servers and keys by those of the backup FILE."""
    data = _read(file)
    passphrase = _passphrase(passphrase_file, confirm=False)
    body: dict[str, Any] = {"backup": base64.b64encode(data).decode(), "passphrase": passphrase, "dry_run": dry_run}
    if not dry_run and not yes:
        click.confirm("This replaces all settings, servers and keys. Continue?", abort=True, err=True)
        accept = _accepted(ctx.client.post("/api/restore", {**body, "dry_run": True}), accept)
    if not dry_run:
        body |= confirmation(ctx, password_file)
    answer = ctx.client.post("/api/restore", {**body, "accept": accept})
    if ctx.json:
        put_json(answer)
        return
    put_pairs(
        (
            ("Made", moment(answer["created"])),
            ("Version", answer["application"]),
            ("Servers", answer["servers"]),
            ("Devices", answer["devices"]),
        )
    )
    for opening in answer.get("opens", ()):
        click.echo(f"opens {clean(opening['what'])}: {clean(opening['message'])}", err=True)
    for warning in answer.get("warnings", ()):
        click.echo(f"warning: {clean(warning)}", err=True)
    click.echo("This backup can be restored; nothing was changed." if dry_run else clean(answer["message"]))


def _accepted(found: dict[str, Any], accept: tuple[str, ...]) -> tuple[str, ...]:
    """``accept`` and all that the user accepts of what the backup ``found`` opens. Aborts where the user declines."""
    for opening in found.get("opens", ()):
        if opening["what"] not in accept:
            click.confirm(f"It opens what is closed now: {clean(opening['message'])}. Accept?", abort=True, err=True)
            accept = (*accept, opening["what"])
    return accept
