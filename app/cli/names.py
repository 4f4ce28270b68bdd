"""The command rebind-exceptions: the domains whose names may have addresses of private networks."""

from __future__ import annotations

import click

from app.cli.context import Context, context
from app.cli.output import put_json

_FIELD = "rebind_exceptions"


@click.group("rebind-exceptions", invoke_without_command=True)
@click.pass_context
def rebind_exceptions(ctx: click.Context) -> None:
    """List, add or remove domains whose names may have private addresses, such as plex.direct."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_domains)


@rebind_exceptions.command("list")
@context
def list_domains(ctx: Context) -> None:
    """List the domains."""
    _put(ctx, ctx.client.get("/api/settings")[_FIELD])


@rebind_exceptions.command("add")
@click.argument("domain")
@context
def add(ctx: Context, domain: str) -> None:
    """Let the names of DOMAIN have addresses of private networks."""
    present = ctx.client.get("/api/settings")[_FIELD]
    _change(ctx, [*present, *([] if domain in present else [domain])])


@rebind_exceptions.command("remove")
@click.argument("domain")
@context
def remove(ctx: Context, domain: str) -> None:
    """Refuse private addresses for the names of DOMAIN again."""
    _change(ctx, [d for d in ctx.client.get("/api/settings")[_FIELD] if d != domain])


def _change(ctx: Context, domains: list[str]) -> None:
    _put(ctx, ctx.client.call("PATCH", "/api/settings", {_FIELD: domains})[_FIELD])


def _put(ctx: Context, domains: list[str]) -> None:
    if ctx.json:
        put_json(domains)
    else:
        for domain in domains:
            click.echo(domain)
