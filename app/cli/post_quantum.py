"""The command post-quantum: whether tunnels to a provider have a post-quantum preshared key."""

from __future__ import annotations

import click

from app.cli.context import Context, context
from app.cli.output import put_json

WISHES = ("prefer", "require", "off")


@click.command("post-quantum")
@click.argument("wish", required=False, type=click.Choice(WISHES))
@click.option("--provider", default=None, help="Another provider than the current one.")
@context
def post_quantum(ctx: Context, wish: str | None, provider: str | None) -> None:
    """Show whether tunnels to a provider have a post-quantum key, or set it for the next connection.

    prefer: connect without one where the server gives none. require: do not connect then.
    """
    name = provider or ctx.client.get("/api/providers")["current"]
    path = f"/api/providers/{name}"
    described = ctx.client.get(path)
    settings = described.get("settings") or {}
    if wish is not None:
        settings["post_quantum"] = wish
        ctx.client.call("PUT", f"{path}/settings", settings)
    supported, chosen = described["capabilities"]["post_quantum"], settings.get("post_quantum")
    if ctx.json:
        put_json({"provider": name, "supported": supported, "post_quantum": chosen})
    elif supported:
        click.echo(f"Post-quantum keys with {name}: {chosen}.")
    else:
        click.echo(f"{name} gives no post-quantum keys.")
