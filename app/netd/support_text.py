"""The texts of the support file: plan, transitions, times and JSON in the form of a report (pure)."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec

from app import serialization
from app.model import DEFAULT_EXIT
from app.network.plan import NetworkPlan
from app.protocol.statistics import Transition


def plan_text(plan: NetworkPlan) -> str:
    """The plan as text: one rule, route, interface or setting a line, then the ruleset."""
    kinds: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("rule", plan.rules),
        ("route", plan.routes),
        ("interface", plan.links),
    )
    lines = [f"{kind}: {_fields(value)}" for kind, values in kinds for value in values]
    lines += [f"address: {interface} {address}" for interface, address in plan.lan_addresses]
    lines += [f"sysctl: {name} = {value}" for name, value in plan.sysctls]
    return "\n".join([*lines, "", plan.ruleset])


def _fields(value: msgspec.Struct) -> str:
    found: dict[str, Any] = serialization.to_builtins(value)
    return " ".join(f"{name}={inner}" for name, inner in found.items() if inner not in (None, ""))


def without_names(state: dict[str, Any]) -> dict[str, Any]:
    """Settings or a snapshot without what people have named: the redaction cannot recognise a name of one letter."""
    groups = {group["name"] for group in state["groups"]} | {device["group"] for device in state["devices"]}
    numbers: dict[str | None, str | None] = {name: f"group {n}" for n, name in enumerate(sorted(groups - {None}), 1)}
    numbers[None] = None
    return {
        **state,
        "devices": [
            {**device, "name": "named" if device["name"] else None, "group": numbers[device["group"]]}
            for device in state["devices"]
        ],
        **(
            {"seen": [{**one, "hostname": "named" if one["hostname"] else None} for one in state["seen"]]}
            if "seen" in state
            else {}
        ),
        "groups": [{**group, "name": numbers[group["name"]]} for group in state["groups"]],
        **(
            {
                "exceptions": [
                    {
                        **one,
                        "group": numbers.get(one["group"], "group"),
                        "reason": "given" if one["reason"] else None,
                        "by": "API key" if one["by"].startswith("API key") else one["by"],
                    }
                    for one in state["exceptions"]
                ]
            }
            if "exceptions" in state
            else {}
        ),
    }


def transition_text(t: Transition) -> str:
    after = f" after {t.duration:.0f} s" if t.duration is not None else ""
    moved = f", up {t.up}, down {t.down} bytes" if t.up is not None else ""
    name = f" [{t.exit}]" if t.exit != DEFAULT_EXIT else ""
    said = f": {t.message}" if t.message else ""
    return f"{timestamp(t.time)}{name} {t.before} -> {t.after} ({t.cause}) {t.provider}/{t.server}{after}{moved}{said}"


def timestamp(unix: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix))


def json_text(value: Any) -> str:
    return json.dumps(round_floats(value), indent=1, ensure_ascii=False)


def round_floats(value: Any) -> Any:
    """``value`` with rounded floats: times with many digits look like account numbers to the redaction."""
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, dict):
        return {name: round_floats(inner) for name, inner in value.items()}
    return [round_floats(inner) for inner in value] if isinstance(value, list | tuple) else value
