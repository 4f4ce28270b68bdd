"""The commands why, explain, me, self-service."""

from __future__ import annotations

import time
from pathlib import Path

import click

from app.cli import times
from app.cli.client import segment
from app.cli.context import Context, context
from app.cli.output import clean, lasting, moment, put_json, put_pairs, put_table
from app.cli.owner_password import call_confirmed, password_file
from app.cli.who import device_mac

_OPENS = {"pause", "all"}


@click.command()
@click.argument("device")
@context
def why(ctx: Context, device: str) -> None:
    """Say why DEVICE (a MAC address, an address or a name) has Internet, or has none.

    Exit status: 0 it has Internet, 7 it has none.
    """
    answer = ctx.client.get(f"/api/devices/{segment(device_mac(ctx, device))}/why")
    if ctx.json:
        put_json(answer)
    else:
        click.echo(clean(answer["sentence"]))
        if answer["next_step"]:
            click.echo(f"Next step: {clean(answer['next_step'])}")
        for note in answer["notes"]:
            click.echo(f"Note: {clean(note)}")
        packets = None if answer["packets"] is None else f"{answer['packets']} packets of all devices"
        put_pairs(
            (
                ("Policy", f"{answer['policy']} ({answer['origin'].replace('_', ' ')})"),
                ("Rule", answer["rule"]),
                ("Counted", packets),
                ("Since", None if answer["since"] is None else moment(answer["since"])),
                ("Until", None if answer["until"] is None else moment(answer["until"])),
            )
        )
    if answer["state"] == "blocked":
        raise SystemExit(7)


@click.command()
@click.argument("device")
@click.argument("destination")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="Of the destination.")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"]), default="tcp", show_default=True)
@click.option("--when", type=times.coming, default=None, metavar="TIME", help="At this time, such as 21:30.")
@click.option("--exit-down", default=None, metavar="EXIT", help="Suppose that this exit is down.")
@click.option("--policy", default=None, help="Suppose this policy: vpn, vpn:EXIT, direct, blocked.")
@click.option("--wan-down", is_flag=True, help="Suppose that the WAN is down.")
@context
def explain(
    ctx: Context,
    device: str,
    destination: str,
    port: int,
    protocol: str,
    when: float | None,
    exit_down: str | None,
    policy: str | None,
    wan_down: bool,
) -> None:
    """Say what would become of a packet of DEVICE to DESTINATION (an address or a name). Nothing is sent."""
    question: dict[str, object] = {"device": device, "destination": destination, "port": port, "protocol": protocol}
    if when is not None:
        question["when"] = when
    suppose = {"exit_down": exit_down, "policy": policy, "wan_down": wan_down or None}
    if any(value is not None for value in suppose.values()):
        question["if"] = {name: value for name, value in suppose.items() if value is not None}
    answer = ctx.client.post("/api/explain", question)
    if ctx.json:
        put_json(answer)
        return
    click.echo(clean(answer["sentence"]))
    if answer["next_step"]:
        click.echo(f"Next step: {clean(answer['next_step'])}")
    for note in answer["notes"]:
        click.echo(f"Note: {clean(note)}")
    put_table(
        ("ADDRESS", "VERDICT", "EXIT", "BY", "AS", "RULE"),
        ((p["address"], p["verdict"], p["exit"], p["interface"], p["source"], p["rule"]) for p in answer["paths"]),
    )


@click.command()
@click.option("--exit", "exit_name", default=None, help="Choose this exit; admin = the admin's choice again.")
@click.option(
    "--pause",
    type=times.seconds,
    default=None,
    metavar="LENGTH",
    help="Pause the VPN for so long (30m): in the clear! 0 ends it.",
)
@context
def me(ctx: Context, exit_name: str | None, pause: int | None) -> None:
    """Show what this machine may do, as a device of the gateway's LAN, or decide what the admin lets it decide."""
    change: dict[str, object] = {}
    if exit_name is not None:
        change["exit"] = None if exit_name == "admin" else exit_name
    if pause is not None:
        change["pause"] = pause
    answer = ctx.client.call("PATCH", "/api/me", change) if change else ctx.client.get("/api/me")
    if ctx.json:
        put_json(answer)
        return
    click.echo(clean(answer["sentence"]))
    if answer["next_step"]:
        click.echo(f"Next step: {clean(answer['next_step'])}")
    pausing = answer["pause"]
    put_pairs(
        (
            ("Device", answer["name"] or answer["mac"]),
            ("Address", answer["address"]),
            ("Policy", answer["policy"]),
            ("Exits to choose", ", ".join(answer["exits"]) or None),
            ("Chosen", answer["chosen_exit"]),
            ("May pause for", lasting(answer["longest_pause"]) if answer["can_pause"] else None),
            ("Paused for", lasting(pausing["until"] - time.time()) if pausing else None),
        )
    )


@click.command("self-service")
@click.argument("allow", required=False, type=click.Choice(["off", "pause", "exit", "all", "default"]))
@click.option("--device", default=None, help="Of this device; else of all that have no rule of their own.")
@click.option("--exit", "exits", multiple=True, help="An exit that may be chosen (repeatable); none: any.")
@click.option("--longest", type=times.seconds, default=None, metavar="LENGTH", help="The longest pause, such as 30m.")
@password_file
@context
def self_service(
    ctx: Context,
    allow: str | None,
    device: str | None,
    exits: tuple[str, ...],
    longest: int | None,
    password_file: Path | None,
) -> None:
    """Show or set what devices may decide themselves: nothing (off), a pause of the VPN, their exit, or all of it.

    A pause lets the device out in the clear. default: DEVICE follows the others again.
    """
    if allow is None:
        _show_self_service(ctx)
        return
    body: dict[str, object] = {"allow": allow}
    if exits:
        body["exits"] = exits
    if longest is not None:
        body["longest_pause"] = longest
    if device is None and allow == "default":
        raise click.UsageError("default is for one --device")
    path = "/api/self-service" if device is None else f"/api/devices/{segment(device_mac(ctx, device))}/self-service"
    answer = call_confirmed(ctx, "PUT", path, body, password_file, needed=allow in _OPENS)
    if ctx.json:
        put_json(answer)
    else:
        click.echo(f"{clean(device or 'all devices')}: {allow}")


def _show_self_service(ctx: Context) -> None:
    answer = ctx.client.get("/api/self-service")
    if ctx.json:
        put_json(answer)
        return
    rows = [("all others", answer["everybody"]), *sorted(answer["devices"].items())]
    put_table(
        ("DEVICE", "MAY DECIDE", "EXITS", "LONGEST PAUSE"),
        (
            (
                name,
                service["allow"],
                "any" if service["exits"] is None else ", ".join(service["exits"]) or "none",
                lasting(service["longest_pause"]),
            )
            for name, service in rows
        ),
    )
