"""The state that clients see: the exits, the attestation of the kernel, and a snapshot of everything (pure)."""

from __future__ import annotations

import enum
from typing import Literal

from msgspec import Struct, field

from app.model import (
    DEFAULT_EXIT,
    Device,
    ExitSettings,
    Group,
    LanSettings,
    Lease,
    LinkProblem,
    MtuOrigin,
    Neighbour,
    NetworkPort,
    Policy,
    PolicyException,
    SeenDevice,
    VpnPolicy,
    WanChoice,
    WanLink,
)


class ExitState(enum.StrEnum):
    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"
    BLOCKED = "blocked"


class ExitStatus(Struct, frozen=True):
    name: str
    state: ExitState
    server: str | None = None
    provider: str | None = None
    location: str | None = None
    ip: str | None = None  # as seen through the tunnel
    since: float | None = None  # Unix time the present state was entered
    uptime: float | None = None  # seconds connected, from the monotonic clock
    reason: str | None = None  # a code while blocked, such as "handshake_timeout"
    message: str | None = None  # the same for people, with the next step
    retry_in: float | None = None  # seconds to the next attempt
    switching_to: str | None = None
    interface: str | None = None
    latest_handshake: float | None = None  # Unix time
    rx_bytes: int = 0
    tx_bytes: int = 0
    ipv6: bool = False
    mtu: int | None = None  # bytes, of the tunnel's interface
    mtu_origin: MtuOrigin | None = None  # the setting of the exit or provider, the server's file, found, or the WAN's
    post_quantum: bool = False  # the tunnel's session has a post-quantum preshared key
    post_quantum_problem: str | None = None  # why not, where one was wanted, for people
    confirmed: bool | None = None  # ``ip`` is the VPN's: by the provider's word, or the server's address or network
    resolvers: tuple[str, ...] = ()  # those that look up names, inside the tunnel; the first is asked first
    label: str | None = None  # given by people
    fallback_for: str | None = None  # the server that was asked for, while failover uses another
    asked: str | None = None  # what its server was chosen for: a host name, a place, "fastest" or "random"
    dns_problem: str | None = None  # what is wrong with the resolvers that the server names, for people


class Attestation(Struct, frozen=True):
    """The verdict on the live kernel state against the plan."""

    ok: bool
    checked: float = 0.0  # Unix time
    repairs: int = 0
    drift: tuple[str, ...] = ()  # what was found at the last repair


class Snapshot(Struct, frozen=True):
    """Everything that a client may see, at one instant; no secrets."""

    seq: int
    version: str
    provider: str
    exits: tuple[ExitStatus, ...]
    attestation: Attestation
    wireguard: str  # "kernel" | "userspace"
    wan: WanLink | None
    lan: LanSettings
    exit_settings: tuple[ExitSettings, ...] = ()  # of every exit, in the order of ``exits``
    host_names: tuple[str, ...] = ()  # more names of the gateway, that people have given it elsewhere
    ports: tuple[NetworkPort, ...] = ()
    wan_problem: LinkProblem | None = None
    wan_choice: WanChoice = WanChoice()
    problems: tuple[str, ...] = ()  # the parts of the stored state that cannot be used, for people; no secret
    devices: tuple[Device, ...] = ()
    default_policy: Policy = VpnPolicy()  # of the devices that have none of their own
    new_device_policy: Literal["default", "wait"] = "default"
    groups: tuple[Group, ...] = ()
    time_zone: str = "UTC"
    exceptions: tuple[PolicyException, ...] = ()  # that are open
    choices: dict[str, str] = field(default_factory=dict)  # MAC address -> the exit that the device may and did choose
    leases: tuple[Lease, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()  # the devices of the LAN with and without a lease
    seen: tuple[SeenDevice, ...] = ()  # the devices that are or were here
    drops: dict[str, int] = field(default_factory=dict)  # packets by reason since netd first ran
    started: float = 0.0
    events_after: int = 0  # the events after this number are still kept

    def exit(self, name: str = DEFAULT_EXIT) -> ExitStatus:
        return next(e for e in self.exits if e.name == name)
