"""The commands sign-in and sign-out, for the accounts of providers."""

from __future__ import annotations

from typing import Any

import click

from app.cli.client import CommandError, segment
from app.cli.context import Context, context
from app.cli.output import clean, put_json, warn


@click.command("sign-in")
@click.argument("provider")
@context
def sign_in(ctx: Context, provider: str) -> None:
    """Sign in to PROVIDER; asks for what it wants. A secret is never an argument."""
    path = f"/api/providers/{segment(provider)}"
    info = ctx.client.get(path)
    if not info["capabilities"]["sign_in"]:
        raise CommandError(f"{info['title']} has no accounts")
    credentials = {entry["name"]: value for entry in info["credentials"] if (value := _ask(entry))}
    answer = ctx.client.post(f"{path}/login", {"credentials": credentials})
    if ctx.json:
        put_json(answer)
        return
    days = answer["account"]["days_left"]
    click.echo(f"Signed in to {clean(info['title'])}{f', {days} days left' if days is not None else ''}.")


@click.command("sign-out")
@click.argument("provider")
@context
def sign_out(ctx: Context, provider: str) -> None:
    """Sign out of PROVIDER, there and on the gateway; a tunnel to one of its servers ends."""
    answer = ctx.client.post(f"/api/providers/{segment(provider)}/logout")
    if ctx.json:
        put_json(answer)
        return
    warn(answer)
    click.echo("Signed out.")


def _ask(entry: dict[str, Any]) -> str:
    """The value of one field of the form; "" where an optional one is left empty."""
    optional = entry["optional"]
    if entry["help"]:
        click.echo(clean(entry["help"]), err=True)
    label = f"{clean(entry['label'])}{' (optional)' if optional else ''}"
    default = "" if optional else None
    return click.prompt(label, hide_input=entry["secret"], default=default, show_default=False, err=True).strip()
