"""Who may go where: policies and exits turned into marks and permitted ways out (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from app.model import BlockedPolicy, DirectPolicy, Policy, VpnPolicy
from app.network.plan import MARK_BLOCKED, MARK_DIRECT, ExitPlan, PlanInput, TunnelPlan, exit_mark


def mark_of(policy: Policy, exits: Iterable[ExitPlan]) -> int:
    """The packet mark of devices with ``policy``; an exit that does not exist means blocked, never the default."""
    match policy:
        case VpnPolicy(exit=name):
            index = next((e.index for e in exits if e.name == name), None)
            return MARK_BLOCKED if index is None else exit_mark(index)
        case DirectPolicy():
            return MARK_DIRECT
        case BlockedPolicy():
            return MARK_BLOCKED
        case _:
            assert_never(policy)


def any_direct(inp: PlanInput) -> bool:
    """Whether anybody was given the ``direct`` policy: without, no rule, route or set element for it exists."""
    return any(isinstance(p, DirectPolicy) for p in (inp.default_policy, *(policy for _, policy in inp.devices)))


def carrying(exit_: ExitPlan) -> tuple[TunnelPlan, ...]:
    """The tunnels that may carry the exit's devices: the active one, and during a switch the one just left."""
    if exit_.active is None:
        return ()
    return (exit_.active, exit_.draining) if exit_.draining is not None else (exit_.active,)


def existing(exit_: ExitPlan) -> tuple[TunnelPlan, ...]:
    """Every tunnel of the exit whose interface should exist."""
    return tuple(t for t in (exit_.active, exit_.candidate, exit_.draining) if t is not None)
