"""The commands for lists of names: rebind-exceptions (domains) and host-names (of the gateway)."""

from __future__ import annotations

import click

from app.cli.context import Context, context
from app.cli.output import put_json

_DOMAINS = "rebind_exceptions"
_HOST_NAMES = "host_names"


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
    _put(ctx, _present(ctx, _DOMAINS))


@rebind_exceptions.command("add")
@click.argument("domain")
@context
def add_domain(ctx: Context, domain: str) -> None:
    """Let the names of DOMAIN have addresses of private networks."""
    _add(ctx, _DOMAINS, domain)


@rebind_exceptions.command("remove")
@click.argument("domain")
@context
def remove_domain(ctx: Context, domain: str) -> None:
    """Refuse private addresses for the names of DOMAIN again."""
    _remove(ctx, _DOMAINS, domain)


@click.group("host-names", invoke_without_command=True)
@click.pass_context
def host_names(ctx: click.Context) -> None:
    """List, add or remove your own names for the gateway, such as gateway.home.example."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_host_names)


@host_names.command("list")
@context
def list_host_names(ctx: Context) -> None:
    """List the names."""
    _put(ctx, _present(ctx, _HOST_NAMES))


@host_names.command("add")
@click.argument("name")
@context
def add_host_name(ctx: Context, name: str) -> None:
    """Answer browsers and programs that call the gateway NAME."""
    _add(ctx, _HOST_NAMES, name)


@host_names.command("remove")
@click.argument("name")
@context
def remove_host_name(ctx: Context, name: str) -> None:
    """Refuse NAME again."""
    _remove(ctx, _HOST_NAMES, name)


def _present(ctx: Context, field: str) -> list[str]:
    return ctx.client.get("/api/settings")[field]


def _add(ctx: Context, field: str, name: str) -> None:
    present = _present(ctx, field)
    _change(ctx, field, [*present, *([] if name in present else [name])])


def _remove(ctx: Context, field: str, name: str) -> None:
    _change(ctx, field, [n for n in _present(ctx, field) if n.lower() != name.lower()])


def _change(ctx: Context, field: str, names: list[str]) -> None:
    _put(ctx, ctx.client.call("PATCH", "/api/settings", {field: names})[field])


def _put(ctx: Context, names: list[str]) -> None:
    if ctx.json:
        put_json(names)
    else:
        for name in names:
            click.echo(name)
