"""What is supposed instead of the present inputs of the plan (pure)."""

from __future__ import annotations

from msgspec.structs import replace

from app.model import Policy
from app.network.plan import ExitPlan, PlanInput
from app.protocol.explanations import Supposition


def supposed(inputs: PlanInput, mac: str, policy: Policy | None, suppose: Supposition) -> PlanInput:
    """``inputs`` with ``policy`` for the device, with an exit that carries nothing, or without a WAN."""
    devices, exceptions, exits, links = inputs.devices, inputs.exceptions, inputs.exits, inputs.links
    if policy is not None:
        devices = (*(d for d in devices if d[0] != mac), (mac, policy))
        exceptions = tuple(replace(e, macs=tuple(m for m in e.macs if m != mac)) for e in exceptions)
        exceptions = tuple(e for e in exceptions if e.macs)
    if suppose.exit_down is not None:
        exits = tuple(ExitPlan(e.name, e.index) if e.name == suppose.exit_down else e for e in exits)
    if suppose.wan_down:
        links = replace(links, wan=None, expected=links.expected or (links.wan.name if links.wan else None))
    return replace(inputs, devices=devices, exceptions=exceptions, exits=exits, links=links)
