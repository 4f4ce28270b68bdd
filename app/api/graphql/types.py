"""The types of the schema; at run time their values are the API's Structs, which have the same fields.

No field ever holds a secret: keys go in, by a mutation, and never come out.
"""

from __future__ import annotations

from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON

from app.protocol.status import ExitState

Long = NewType("Long", int)
MAX_LONG = 2**53


def _long(value: object) -> int:
    """A whole number, by the specification's rules for Int. Raises GraphQLError."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_LONG:
        raise GraphQLError("Long cannot represent this value")
    return value


LONG = strawberry.scalar(
    name="Long",
    description="A whole number below 2^53, exact in JavaScript too; bytes pass the 2^31 of Int in minutes.",
    serialize=int,
    parse_value=_long,
)

strawberry.enum(ExitState)


@strawberry.type
class Exit:
    name: str
    state: ExitState
    server: str | None
    provider: str | None
    location: str | None
    ip: str | None
    since: float | None
    uptime: float | None
    reason: str | None
    message: str | None
    retry_in: float | None
    switching_to: str | None
    interface: str | None
    mtu: int | None
    mtu_origin: str | None
    post_quantum: bool
    post_quantum_problem: str | None
    latest_handshake: float | None
    rx_bytes: Long
    tx_bytes: Long
    ipv6: bool
    label: str | None
    asked: str | None
    fallback_for: str | None
    resolvers: list[str]
    dns_problem: str | None


@strawberry.type
class Fallback:
    target: str
    provider: str | None


@strawberry.type
class ServerChange:
    """A scheduled change of server: ``at`` in minutes after midnight, on ``days`` (0 = Monday)."""

    at: int
    days: list[int]
    select: str


@strawberry.type
class Never:
    """What an exit never uses."""

    servers: list[str]
    hosters: list[str]
    countries: list[str]


@strawberry.type
class ExitSettings:
    """An exit as ``GET /api/exits`` has it: its settings, its status, and what uses it."""

    name: str
    label: str | None
    provider: str | None
    target: str | None
    fallbacks: list[Fallback]
    mtu: int | None
    auto_connect: bool
    server_changes: list[ServerChange]
    never: Never
    devices: list[str]
    groups: list[str]
    default_policy: bool
    status: Exit

    @strawberry.field
    def dns(self: object) -> list[str]:
        return [str(a) for a in self.dns]  # pyright: ignore[reportAttributeAccessIssue] - an ExitBody


@strawberry.type
class ExitAnswer:
    success: bool
    exit: ExitSettings
    warnings: list[str]


@strawberry.type
class Attestation:
    """The verdict on the live kernel state against the plan."""

    ok: bool
    checked: float
    repairs: Long
    drift: list[str]


@strawberry.type
class Drop:
    """Packets dropped for one reason."""

    reason: str
    packets: Long


@strawberry.type
class Port:
    """A network port, wired or radio; ``role`` is ``wan``, ``lan``, ``modem`` or ``none``."""

    name: str
    role: str
    mac: str
    driver: str | None
    usb: str | None
    radio: bool
    carrier: bool


@strawberry.type
class WanProblem:
    """The reason why there is no WAN: a code, and what to do about it."""

    reason: str
    message: str


@strawberry.type
class WanChoice:
    """The origin of the choice of the WAN; ``fixedBy`` is the key of gateway.toml that fixes it."""

    port: str | None
    fixed_by: str | None


@strawberry.type
class Wan:
    """The network ports, as ``GET /api/wan``."""

    port: str | None
    fixed_by: str | None
    interface: str | None
    problem: WanProblem | None
    ports: list[Port]


@strawberry.type
class Status:
    """The status, as ``GET /api/status``: of the default exit, and ``exits`` of all."""

    connected: bool
    provider: str
    server: str | None
    ip: str | None
    location: str | None
    uptime: str | None
    killswitch_active: bool
    state: ExitState
    uptime_seconds: Long | None
    since: float | None
    target: str | None
    switching_to: str | None
    reason: str | None
    message: str | None
    retry_in: float | None
    latest_handshake: float | None
    rx_bytes: Long
    tx_bytes: Long
    ipv6: bool
    interface: str | None
    mtu: int | None
    mtu_origin: str | None
    post_quantum: bool
    post_quantum_problem: str | None
    current_provider: str
    exits: list[Exit]
    wan_problem: WanProblem | None
    wan_choice: WanChoice
    ports: list[Port]
    problems: list[str]
    attestation: Attestation
    wireguard: str
    version: str
    seq: Long

    @strawberry.field
    def drops(self: object) -> list[Drop]:
        counts: dict[str, int] = self.drops  # pyright: ignore[reportAttributeAccessIssue] - a StatusBody
        return [Drop(reason=reason, packets=Long(packets)) for reason, packets in counts.items()]


@strawberry.type
class Bytes:
    up: Long
    down: Long


@strawberry.type
class RecentTraffic:
    """Bytes of the last 24 hours, and a second just now."""

    up: Long
    down: Long
    rate: Bytes


@strawberry.type
class ScheduleEntry:
    """A policy from ``start`` to ``end`` (minutes after midnight) on ``days`` (0 = Monday)."""

    days: list[int]
    start: int
    end: int
    policy: str


@strawberry.type
class Device:
    mac: str
    name: str | None
    hostname: str | None
    address: str | None
    addresses: list[str]
    leased: bool
    seen: float | None
    policy: str
    own_policy: bool
    group: str | None
    fixed_address: str | None
    admitted: bool
    vendor: str | None
    kind: str
    randomised: bool
    first_seen: float | None
    last_seen: float | None
    online: bool
    exit: str | None
    reason: str | None
    traffic: RecentTraffic | None
    standing_policy: str
    policy_source: str
    exception: int | None
    schedule: list[ScheduleEntry]


@strawberry.type
class DeviceSettings:
    """The settings that hold for all devices; ``timeZone`` is that of the schedules."""

    default_policy: str
    new_device_policy: str
    time_zone: str


@strawberry.type
class Group:
    """A group of devices; its policy is null where it is the default one."""

    name: str
    policy: str | None
    schedule: list[ScheduleEntry]
    devices: list[str]


@strawberry.type
class PolicyException:
    """Another policy for a while, of a device or a group."""

    id: int
    device: str | None
    group: str | None
    devices: list[str]
    policy: str
    reason: str | None
    by: str
    started: float
    until: float
    seconds_left: float
    kernel: bool


@strawberry.type
class Lease:
    mac: str
    address: str
    hostname: str | None
    expires: float


@strawberry.type
class Providers:
    providers: list[str]
    current: str


@strawberry.type
class Server:
    hostname: str
    provider: str
    country: str
    city: str
    ipv4: str | None
    ipv6: str | None
    endpoint: str | None
    location: str
    missing: list[str]
    warnings: list[str]
    country_code: str | None
    latitude: float | None
    longitude: float | None
    load: float | None
    owned: bool | None
    features: list[str]
    latency: float | None
    favourite: bool


@strawberry.type
class ServerPage:
    provider: str
    total: int
    servers: list[Server]


@strawberry.type
class Point:
    time: Long
    up: Long | None
    down: Long | None
    covered: float


@strawberry.type
class Traffic:
    device: str | None
    exit: str | None
    step: str
    start: Long
    end: Long
    sum: Bytes
    rate: Bytes
    points: list[Point]


@strawberry.type
class Transition:
    id: Long
    time: float
    exit: str
    before: str
    after: str
    cause: str
    message: str | None
    provider: str | None
    server: str | None
    previous_server: str | None
    duration: float | None
    up: Long | None
    down: Long | None
    attempt: Long


@strawberry.type
class History:
    history: list[Transition]
    next: Long | None


@strawberry.type
class DeviceRecord:
    """Something that happened to a device; what says nothing of the ``change`` is null."""

    id: Long
    time: float
    change: str
    policy: str | None
    before: str | None
    until: float | None
    by: str | None
    reason: str | None
    cause: str | None
    group: str | None
    address: str | None
    name: str | None
    allow: str | None


@strawberry.type
class DeviceHistory:
    history: list[DeviceRecord]
    next: Long | None


@strawberry.type
class ListOffer:
    """A provider's whole server list, which the key of an imported file opens by ``useFileKey``."""

    provider: str
    title: str
    server: str  # the imported one
    servers: int | None
    listed: bool


@strawberry.type
class Success:
    success: bool
    message: str | None
    warnings: list[str]
    public_key: str | None
    server: str | None  # the one that was chosen
    opens: ListOffer | None  # of an imported file


@strawberry.type
class Account:
    """The account at a provider, as ``GET /api/providers/{name}/account`` tells it."""

    signed_in: bool
    account: str | None
    expires: float | None
    days_left: int | None
    problem: str | None
    from_file: str | None  # the imported server whose key is used


@strawberry.type
class Check:
    """One check of a leak test; ``result`` is ``ok``, ``failed`` or ``unknown``."""

    name: str
    result: str
    message: str


@strawberry.type
class Evidence:
    """Where one probe was seen; null = nobody could look there."""

    kind: str
    family: int
    seen_on_lan: bool | None
    seen_in_tunnel: bool | None
    seen_on_wan: bool | None
    seen_in_other_tunnel: bool | None


@strawberry.type
class LeakTest:
    """The result of a leak test, as ``POST /api/leak-test`` answers."""

    ok: bool
    checks: list[Check]
    evidence: list[Evidence]
    report: str | None
    control: bool | None


@strawberry.type
class Observation:
    """One round of the canary's probes, as one device."""

    device: str
    mac: str
    time: float
    connected: bool
    evidence: list[Evidence]
    control: bool | None
    leaked: Long
    missed: Long
    problem: str | None
    samples: list[str]


@strawberry.type
class Canary:
    """The canary, as ``GET /api/canary``."""

    enabled: bool
    interval: float
    rounds: Long
    probes: Long
    leaked: Long
    shut: str | None
    problem: str | None
    latest: list[Observation]


@strawberry.type
class ProofProbe:
    kind: str
    family: int
    url: str


@strawberry.type
class Proof:
    """What the gateway sees of one browser; ``state`` is ``watching`` or ``done``."""

    id: str
    state: str
    seconds: float
    probes: list[ProofProbe]
    evidence: list[Evidence]
    control: bool | None
    problem: str | None


@strawberry.type
class Event:
    """An event, as a message of ``/ws``. ``seq`` and ``time`` count and date the event; a heartbeat has no ``seq``."""

    type: str
    payload: JSON | None
    seq: Long | None
    time: float
