"""The policy in force for a device, and where it comes from (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from app.model import Policy, PolicyException, Settings
from app.policies import effective
from app.protocol.explanations import Origin


class Decision(Struct, frozen=True):
    """The policy of a device at one time. A stronger origin hides the weaker ones."""

    policy: Policy
    origin: Origin
    since: float | None = None  # Unix time, where the origin knows it
    until: float | None = None  # Unix time at which it ends by itself
    reason: str | None = None  # given by the one who asked for it
    group: str | None = None  # whose policy or schedule it is


class Decide(Protocol):
    def __call__(self, settings: Settings, mac: str, at: float) -> Decision:
        """The decision for the device at ``at`` (Unix time)."""
        ...


def with_exceptions(present: Callable[[], tuple[PolicyException, ...]]) -> Decide:
    """The decisions of the settings and of the exceptions that are open."""

    def decide(settings: Settings, mac: str, at: float) -> Decision:
        return _decision(settings, mac, at, present())

    return decide


def stored(settings: Settings, mac: str, at: float) -> Decision:
    """The decision of the settings alone."""
    return _decision(settings, mac, at, ())


def by_admin(exceptions: Callable[[], tuple[PolicyException, ...]]) -> Decide:
    """The admin's decisions, without what devices choose; ``exceptions`` are those that the admin has opened."""

    def decide(settings: Settings, mac: str, at: float) -> Decision:
        return _decision(replace(settings, chosen_exits={}), mac, at, exceptions())

    return decide


def _decision(settings: Settings, mac: str, at: float, exceptions: tuple[PolicyException, ...]) -> Decision:
    found = effective(settings, mac, at, exceptions)
    one = found.exception
    group = next((d.group for d in settings.devices if d.mac == mac), None)
    return Decision(
        policy=found.policy,
        origin=found.source,
        since=one.started if one is not None else None,
        until=one.until if one is not None else None,
        reason=one.reason if one is not None else None,
        group=group,
    )
