"""The command devices: the LAN's devices and their policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.cli.client import segment
from app.cli.context import Context, context
from app.cli.output import put_json, put_table
from app.cli.owner_password import confirmation, password_file


@click.group(invoke_without_command=True)
@click.pass_context
def devices(ctx: click.Context) -> None:
    """List the LAN's devices, or set the policy of one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_devices)


@devices.command("list")
@context
def list_devices(ctx: Context) -> None:
    """List the devices and their policies."""
    answer = ctx.client.get("/api/devices")
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("DEVICE", "NAME", "ADDRESS", "POLICY"),
        ((d["mac"], d["name"] or d["hostname"], _address(d), _policy(d)) for d in answer["devices"]),
    )


def _address(device: dict[str, Any]) -> str | None:
    known = device["address"] or next(iter(device["addresses"]), None)
    return known if known is None or device["leased"] else f"{known} (no lease)"


def _policy(device: dict[str, object]) -> str:
    return f"{device['policy']}" if device["own_policy"] else f"{device['policy']} (default)"


@devices.command("set")
@click.argument("mac")
@click.argument("policy")
@click.option("--name", default=None, help="The device's name.")
@password_file
@context
def set_policy(ctx: Context, mac: str, policy: str, name: str | None, password_file: Path | None) -> None:
    """Give the device MAC a POLICY: vpn, vpn:EXIT, direct (in the clear!) or blocked."""
    body = {"policy": policy} if name is None else {"policy": policy, "name": name}
    if policy == "direct":
        body |= confirmation(ctx, password_file)
    answer = ctx.client.call("PUT", f"/api/devices/{segment(mac)}/policy", body)
    if ctx.json:
        put_json(answer)
    else:
        click.echo(f"{mac}: {policy}")
