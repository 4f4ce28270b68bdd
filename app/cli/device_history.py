"""The command device-history: what happened to a device, and what was decided about it."""

from __future__ import annotations

from typing import Any

import click

from app.cli.client import segment
from app.cli.context import Context, context
from app.cli.output import moment, put_json, put_table
from app.cli.who import device_mac

_END = {"time": "its time was over", "ended": "it was ended", "replaced": "another took its place"}
_ORIGIN = {
    "choice": "its own choice",
    "default": "the default",
    "group": "its group {group}",
    "group_schedule": "the schedule of its group {group}",
    "own": "its own policy",
    "schedule": "its schedule",
    "waiting": "it waits to be admitted",
}
# What a change leaves behind, by the field that holds it.
_LEFT = {"policy": "policy", "own_policy": "policy", "exception_end": "policy", "group": "group", "renamed": "name"}


@click.command("device-history")
@click.argument("device")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@context
def device_history(ctx: Context, device: str, limit: int) -> None:
    """List what happened to DEVICE (a MAC address or name), the newest first."""
    answer = ctx.client.get(f"/api/devices/{segment(device_mac(ctx, device))}/history", limit=limit)
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("TIME", "CHANGE", "DETAILS"),
        ((moment(r["time"]), r["change"].replace("_", " "), _details(r)) for r in answer["history"]),
    )


def _details(record: dict[str, Any]) -> str:
    match record["change"]:
        case "exception_start":
            return _started(record)
        case "exception_end":
            cause = str(record.get("cause"))
            return f"{_of_group(record)}{_arrow(record)}: {_END.get(cause, cause)}"
        case "policy":
            return f"{_arrow(record)}: {_origin(record)}"
        case "appeared":
            return " ".join(filter(None, (record.get("address"), record.get("name"))))
        case "self_service":
            return record.get("allow", "as all")
        case _:
            return _arrow(record)


def _started(record: dict[str, Any]) -> str:
    reason = f": {record['reason']}" if record.get("reason") else ""
    return f"{_of_group(record)}{record['policy']} until {moment(record['until'])}, by {record['by']}{reason}"


def _of_group(record: dict[str, Any]) -> str:
    return f"group {record['group']}: " if record.get("group") else ""


def _origin(record: dict[str, Any]) -> str:
    cause = str(record.get("cause"))
    return _ORIGIN.get(cause, cause).format(group=record.get("group"))


def _arrow(record: dict[str, Any]) -> str:
    """What was and what is; nothing where the change has neither."""
    now = record.get(_LEFT.get(record["change"], "address"))
    before = record.get("before")
    return f"{before or 'none'} -> {now or 'none'}" if now or before else ""
