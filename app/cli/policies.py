"""The commands for policies by group and by the clock: except, exceptions, groups, schedule, time-zone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.cli import output, times
from app.cli.client import segment
from app.cli.context import Context, context
from app.cli.output import put_done, put_json, put_table
from app.cli.owner_password import call_confirmed, password_file
from app.cli.who import device_mac

_AT = "--at"
_at = click.option(
    _AT, "entries", multiple=True, metavar="ENTRY", help="Such as 'mon-fri 21:00-07:00 blocked'; the first counts."
)
_for = click.option("--for", "length", default=None, help="For how long, such as 30m, 2h or 1d.")
_until = click.option("--until", default=None, help="Until when, such as 18:00.")


def _end(length: str | None, until: str | None) -> dict[str, float]:
    if (length is None) == (until is None):
        raise click.UsageError("say how long: --for 30m, or --until 18:00")
    if length is not None:
        return {"for": times.seconds(length)}
    return {"until": times.coming(until or "")}


def _put_exception(ctx: Context, answer: dict[str, Any]) -> None:
    one = answer["exception"]
    if ctx.json:
        put_json(answer)
    else:
        click.echo(output.clean(f"{one['id']}: {_subject(one)} {one['policy']} until {output.moment(one['until'])}"))


def _subject(one: dict[str, Any]) -> str:
    return one["device"] or f"group {one['group']}"


@click.command("except")
@click.argument("device")
@click.argument("policy")
@_for
@_until
@click.option("--reason", default=None, help="Why; shown in the list.")
@click.option("--group", is_flag=True, help="DEVICE is the name of a group.")
@password_file
@context
def except_(
    ctx: Context,
    device: str,
    policy: str,
    length: str | None,
    until: str | None,
    reason: str | None,
    group: bool,
    password_file: Path | None,
) -> None:
    """Give DEVICE (MAC address or name) another POLICY for a while: vpn, vpn:EXIT, direct (in the clear!), blocked."""
    body: dict[str, Any] = {"policy": policy, **_end(length, until)}
    body |= {"group": device} if group else {"device": device_mac(ctx, device)}
    if reason is not None:
        body["reason"] = reason
    answer = call_confirmed(ctx, "POST", "/api/exceptions", body, password_file, needed=policy == "direct")
    _put_exception(ctx, answer)


@click.group(invoke_without_command=True)
@click.pass_context
def exceptions(ctx: click.Context) -> None:
    """List the policies that hold for a while; extend or end one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_exceptions)


@exceptions.command("list")
@context
def list_exceptions(ctx: Context) -> None:
    """List them, the first to end first."""
    answer = ctx.client.get("/api/exceptions")
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("ID", "FOR", "POLICY", "LEFT", "UNTIL", "BY", "REASON"),
        (
            (
                e["id"],
                _subject(e),
                e["policy"],
                output.lasting(e["seconds_left"]),
                output.moment(e["until"]),
                e["by"],
                e["reason"],
            )
            for e in answer["exceptions"]
        ),
    )


@exceptions.command("extend")
@click.argument("number", type=int)
@_for
@_until
@password_file
@context
def extend_exception(
    ctx: Context, number: int, length: str | None, until: str | None, password_file: Path | None
) -> None:
    """Have the exception NUMBER end at another time, counted from now."""
    body: dict[str, Any] = dict(_end(length, until))
    _put_exception(ctx, call_confirmed(ctx, "PATCH", f"/api/exceptions/{number}", body, password_file))


@exceptions.command("end")
@click.argument("number", type=int)
@password_file
@context
def end_exception(ctx: Context, number: int, password_file: Path | None) -> None:
    """End the exception NUMBER now."""
    answer = call_confirmed(ctx, "DELETE", f"/api/exceptions/{number}", None, password_file)
    if ctx.json:
        put_json(answer)
    else:
        click.echo(f"{number}: ended")


@click.group(invoke_without_command=True)
@click.pass_context
def groups(ctx: click.Context) -> None:
    """List the groups of devices, set one, or remove one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_groups)


@groups.command("list")
@context
def list_groups(ctx: Context) -> None:
    """List the groups, their policies, schedules and devices."""
    answer = ctx.client.get("/api/groups")
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("GROUP", "POLICY", "SCHEDULE", "DEVICES"),
        (
            (g["name"], g["policy"] or "default", _timetable(g["schedule"]), " ".join(g["devices"]) or None)
            for g in answer["groups"]
        ),
    )


def _timetable(schedule: list[dict[str, Any]]) -> str | None:
    return "; ".join(times.shown(one) for one in schedule) or None


@groups.command("set")
@click.argument("name")
@click.option("--policy", default=None, help="Of its devices without one of their own; left out: the default.")
@_at
@password_file
@context
def set_group(
    ctx: Context, name: str, policy: str | None, entries: tuple[str, ...], password_file: Path | None
) -> None:
    """Give the group NAME a policy and a schedule, in place of those that it has."""
    schedule = [times.entry(text) for text in entries]
    body: dict[str, Any] = {"policy": policy, "schedule": schedule}
    direct = "direct" in {policy, *(one["policy"] for one in schedule)}
    answer = call_confirmed(ctx, "PUT", f"/api/groups/{segment(name)}", body, password_file, needed=direct)
    put_done(ctx.json, answer, f"{name}: set")


@groups.command("remove")
@click.argument("name")
@password_file
@context
def remove_group(ctx: Context, name: str, password_file: Path | None) -> None:
    """Remove the group NAME; its devices stay, in no group."""
    answer = call_confirmed(ctx, "DELETE", f"/api/groups/{segment(name)}", None, password_file)
    put_done(ctx.json, answer, f"{name}: removed")


@click.command()
@click.argument("device")
@_at
@click.option("--clear", is_flag=True, help="Take the schedule away.")
@password_file
@context
def schedule(ctx: Context, device: str, entries: tuple[str, ...], clear: bool, password_file: Path | None) -> None:
    """Show the schedule of DEVICE (MAC address or name), or set it."""
    mac = device_mac(ctx, device)
    if entries and clear:
        raise click.UsageError(f"either {_AT} or --clear")
    if not entries and not clear:
        found = ctx.client.get(f"/api/devices/{segment(mac)}")["schedule"]
        if ctx.json:
            put_json(found)
        else:
            for one in found:
                click.echo(output.clean(times.shown(one)))
        return
    body: dict[str, Any] = {"schedule": [times.entry(text) for text in entries]}
    direct = any(one["policy"] == "direct" for one in body["schedule"])
    path = f"/api/devices/{segment(mac)}/schedule"
    answer = call_confirmed(ctx, "PUT", path, body, password_file, needed=direct)
    put_done(ctx.json, answer, f"{mac}: {'no schedule' if clear else 'scheduled'}")


@click.command("time-zone")
@click.argument("zone", required=False)
@password_file
@context
def time_zone(ctx: Context, zone: str | None, password_file: Path | None) -> None:
    """Show the time zone of schedules and changes of server, or set it, such as Europe/Berlin."""
    if zone is None:
        answer = ctx.client.get("/api/settings")
    else:
        answer = call_confirmed(ctx, "PATCH", "/api/settings", {"time_zone": zone}, password_file)
    if ctx.json:
        put_json(answer["time_zone"])
    else:
        click.echo(output.clean(answer["time_zone"]))
