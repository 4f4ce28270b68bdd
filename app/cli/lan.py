"""The commands devices, device, admit, forget, new-devices and default-policy: the LAN's devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.cli.client import segment
from app.cli.context import Context, context
from app.cli.output import moment, put_done, put_json, put_pairs, put_table, size
from app.cli.owner_password import call_confirmed, password_file
from app.cli.who import device_mac


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
        ("DEVICE", "NAME", "ADDRESS", "POLICY", "STATE", "VENDOR"),
        (
            (d["mac"], d["name"] or d["hostname"], _address(d), _policy(d), _state(d), d["vendor"])
            for d in answer["devices"]
        ),
    )


def _address(device: dict[str, Any]) -> str | None:
    known = device["address"] or next(iter(device["addresses"]), None)
    return known if known is None or device["leased"] else f"{known} (no lease)"


def _state(device: dict[str, Any]) -> str:
    if not device["admitted"]:
        return "waiting"
    here = "here" if device["online"] else "away"
    return f"{here}, no Internet ({device['reason']})" if device["reason"] else here


def _policy(device: dict[str, object]) -> str:
    source = "" if device["policy_source"] == "own" else f" ({str(device['policy_source']).replace('_', ' ')})"
    return f"{device['policy']}{source}"


@devices.command("set")
@click.argument("device")
@click.argument("policy")
@click.option("--name", default=None, help="The device's name.")
@password_file
@context
def set_policy(ctx: Context, device: str, policy: str, name: str | None, password_file: Path | None) -> None:
    """Give DEVICE (a MAC address or name) a POLICY: vpn, vpn:EXIT, direct (in the clear!), blocked, or inherit.

    inherit: the one of its group, or the default.
    """
    mac = device_mac(ctx, device)
    body = {"policy": policy} if name is None else {"policy": policy, "name": name}
    path = f"/api/devices/{segment(mac)}/policy"
    answer = call_confirmed(ctx, "PUT", path, body, password_file, needed=policy == "direct")
    put_done(ctx.json, answer, f"{mac}: {policy}")


@click.command()
@click.argument("device")
@click.option("--name", default=None, help="The device's name; empty removes it.")
@click.option("--group", default=None, help="The group that it belongs to; empty removes it.")
@click.option("--address", default=None, help="The address that DHCP gives to it alone; empty removes it.")
@password_file
@context
def device(
    ctx: Context,
    device: str,
    name: str | None,
    group: str | None,
    address: str | None,
    password_file: Path | None,
) -> None:
    """Show DEVICE (a MAC address or name), or change it."""
    mac = device_mac(ctx, device)
    given = {"name": name, "group": group, "address": address}
    body = {field: value or None for field, value in given.items() if value is not None}
    if body:
        answer = call_confirmed(ctx, "PATCH", f"/api/devices/{segment(mac)}", body, password_file)
        put_done(ctx.json, answer, answer.get("message") or f"{mac}: changed")
        return
    found = ctx.client.get(f"/api/devices/{segment(mac)}")
    if ctx.json:
        put_json(found)
    else:
        put_pairs((field, _text(found[field])) for field in _SHOWN if found[field] not in (None, [], ""))


_SHOWN = (
    *("mac", "name", "hostname", "group", "addresses", "fixed_address", "policy", "policy_source", "exception"),
    *("exit", "reason", "admitted", "online", "first_seen", "last_seen", "traffic", "vendor", "kind", "randomised"),
)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return f"{size(value['up'])} up, {size(value['down'])} down in 24 hours"
    return moment(value) if isinstance(value, float) else str(value)


@click.command()
@click.argument("device")
@password_file
@context
def admit(ctx: Context, device: str, password_file: Path | None) -> None:
    """Let DEVICE (a MAC address or name) in, which waits for its admission."""
    mac = device_mac(ctx, device)
    answer = call_confirmed(ctx, "POST", f"/api/devices/{segment(mac)}/admit", None, password_file)
    put_done(ctx.json, answer, f"{mac}: admitted")


@click.command()
@click.argument("device")
@password_file
@context
def forget(ctx: Context, device: str, password_file: Path | None) -> None:
    """Forget DEVICE (a MAC address or name) and all that was decided about it."""
    mac = device_mac(ctx, device)
    answer = call_confirmed(ctx, "DELETE", f"/api/devices/{segment(mac)}", None, password_file)
    put_done(ctx.json, answer, f"{mac}: forgotten")


@click.command("new-devices")
@click.argument("policy", required=False, type=click.Choice(["default", "wait"]))
@password_file
@context
def new_devices(ctx: Context, policy: str | None, password_file: Path | None) -> None:
    """Show what becomes of new devices, or have them follow the default policy or wait for their admission."""
    if policy is None:
        answer = ctx.client.get("/api/settings")
    else:
        answer = call_confirmed(ctx, "PATCH", "/api/settings", {"new_device_policy": policy}, password_file)
    put_done(ctx.json, answer, answer["new_device_policy"])


@click.command("default-policy")
@click.argument("policy", required=False)
@password_file
@context
def default_policy(ctx: Context, policy: str | None, password_file: Path | None) -> None:
    """Show the POLICY of devices without one of their own or their group's, or set it: vpn, vpn:EXIT, direct, blocked.

    With direct they leave in the clear.
    """
    if policy is None:
        answer = ctx.client.get("/api/settings")
    else:
        body = {"default_policy": policy}
        answer = call_confirmed(ctx, "PATCH", "/api/settings", body, password_file, needed=policy == "direct")
    put_done(ctx.json, answer, answer["default_policy"])
