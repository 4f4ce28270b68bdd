"""The commands ports and wan: the network ports, and the choice of the WAN."""

from __future__ import annotations

from typing import Any

import click

from app.cli.context import Context, context
from app.cli.output import clean, put_json, put_table


@click.command()
@context
def ports(ctx: Context) -> None:
    """List the network ports and their roles."""
    answer = ctx.client.get("/api/wan")
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("PORT", "ROLE", "MAC", "PLACE", "DRIVER", "CABLE"),
        ((p["name"], p["role"], p["mac"] or None, p["usb"], p["driver"], _cable(p)) for p in answer["ports"]),
    )
    if answer["problem"] is not None:
        click.echo(clean(answer["problem"]["message"]), err=True)


def _cable(port: dict[str, Any]) -> str:
    return "radio" if port["radio"] else "in" if port["carrier"] else "no"


@click.command()
@click.argument("port")
@context
def wan(ctx: Context, port: str) -> None:
    """Make PORT the WAN: a name, a MAC address or a place as ports lists it; auto detects it."""
    answer = ctx.client.call("PUT", "/api/wan", {"port": None if port == "auto" else port})
    if ctx.json:
        put_json(answer)
    elif answer["interface"] is not None:
        click.echo(f"The WAN is {clean(answer['interface'])} now.")
    else:
        click.echo(clean(answer["problem"]["message"] if answer["problem"] else "There is no WAN now."))
