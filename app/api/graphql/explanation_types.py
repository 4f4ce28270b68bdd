"""The types of explanations and of the caller's own device; their values are the API's Structs, as elsewhere."""

from __future__ import annotations

import strawberry

from app.api.graphql.types import Long


@strawberry.type
class Path:
    """The way of one packet of a device: ``verdict`` is tunnel, clear, gateway, lan, blocked, lost."""

    family: int
    address: str | None
    verdict: str
    exit: str | None
    interface: str | None
    source: str | None
    rule: str | None
    counter: str | None
    sentence: str


@strawberry.type
class NameAnswer:
    """The answer of the gateway's resolver for a device to a name."""

    name: str
    addresses: list[str]
    exit: str | None
    sentence: str


@strawberry.type
class Why:
    """The present state of a device, and why, as ``GET /api/devices/{mac}/why``."""

    mac: str
    name: str | None
    state: str
    policy: str
    origin: str
    exit: str | None
    reason: str | None
    rule: str | None
    counter: str | None
    packets: Long | None
    since: float | None
    until: float | None
    sentence: str
    next_step: str | None
    paths: list[Path]
    notes: list[str]


@strawberry.type
class Successor:
    """What failover would do for an exit that is supposed to be down: the server that would be tried first, if any."""

    provider: str | None
    server: str | None
    sentence: str


@strawberry.type
class Explanation:
    """What would become of a device's packets, as ``POST /api/explain``."""

    mac: str
    policy: str
    origin: str
    verdict: str
    sentence: str
    next_step: str | None
    lookup: NameAnswer | None
    paths: list[Path]
    notes: list[str]
    failover: Successor | None


@strawberry.input
class Supposition:
    """What is supposed instead of the present state."""

    exit_down: str | None = None
    policy: str | None = None
    wan_down: bool = False


@strawberry.type
class Pause:
    until: float


@strawberry.type
class Me:
    """The device that asks, as ``GET /api/me``."""

    mac: str
    name: str | None
    address: str
    state: str
    policy: str
    exit: str | None
    reason: str | None
    since: float | None
    until: float | None
    sentence: str
    next_step: str | None
    self_service: str
    exits: list[str]
    chosen_exit: str | None
    can_pause: bool
    longest_pause: int | None
    pause: Pause | None


@strawberry.type
class SelfService:
    """What devices may decide for themselves: ``allow`` is off, pause, exit or all."""

    allow: str
    exits: list[str] | None
    longest_pause: int


@strawberry.type
class DeviceSelfService:
    mac: str
    service: SelfService


@strawberry.type
class SelfServices:
    everybody: SelfService
    devices: list[DeviceSelfService]
