"""The command mtu: the MTU of the tunnels, by exit or provider."""

from __future__ import annotations

import click

from app.cli.context import Context, context
from app.cli.output import put_json, put_table

SIZES = range(1280, 9201)  # bytes


@click.command()
@click.argument("size", required=False)
@click.option("--exit", "exit_name", default=None, help="For the tunnels of this exit; else for the default one.")
@click.option("--provider", default=None, help="For all tunnels to this provider's servers.")
@context
def mtu(ctx: Context, size: str | None, exit_name: str | None, provider: str | None) -> None:
    """Show the MTU of the tunnels, or set it to SIZE bytes (1280 to 9200); auto lets the gateway choose it."""
    if size is None:
        _show(ctx)
        return
    if exit_name is not None and provider is not None:
        raise click.UsageError("name an exit or a provider")
    chosen = ctx.client.get("/api/settings")["mtu"]
    kind, name = ("providers", provider) if provider is not None else ("exits", exit_name or "default")
    chosen[kind].pop(name, None)
    if size != "auto":
        if not size.isdecimal() or int(size) not in SIZES:
            raise click.UsageError(f"SIZE is {SIZES[0]} to {SIZES[-1]} bytes, or auto")
        chosen[kind][name] = int(size)
    answer = ctx.client.call("PATCH", "/api/settings", {"mtu": chosen})
    if ctx.json:
        put_json(answer["mtu"])
    else:
        click.echo(f"The MTU of {kind[:-1]} {name} is {'chosen by the gateway' if size == 'auto' else size} now.")


def _show(ctx: Context) -> None:
    exits, chosen = ctx.client.get("/api/status")["exits"], ctx.client.get("/api/settings")["mtu"]
    if ctx.json:
        put_json({"exits": [{k: e[k] for k in ("name", "mtu", "mtu_origin")} for e in exits], "settings": chosen})
        return
    rows = [("exit", e["name"], _size(chosen["exits"].get(e["name"])), e["mtu"], e["mtu_origin"]) for e in exits]
    rows += [("provider", name, _size(value), None, None) for name, value in sorted(chosen["providers"].items())]
    put_table(("FOR", "NAME", "SET TO", "NOW", "FROM"), rows)


def _size(value: int | None) -> str:
    return "auto" if value is None else str(value)
