"""The answers to why a device has no Internet, what would become of its packets, and what it decides itself (pure)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from app.model import Policy, SelfService

# Where the policy in force comes from, the strongest first.
Origin = Literal["waiting", "exception", "schedule", "group_schedule", "choice", "own", "group", "default"]
# tunnel: out by a tunnel; clear: out by the WAN; gateway, lan: it ends there; blocked: refused by the gateway;
# lost: into a tunnel whose own packets have no way out, or to a WAN without a carrier; no_address: the name has none.
Verdict = Literal["tunnel", "clear", "gateway", "lan", "blocked", "lost", "no_address"]
TransportProtocol = Literal["tcp", "udp", "icmp"]


class Supposition(Struct, frozen=True):
    """What is supposed instead of the present state; None and False = as it is."""

    exit_down: str | None = None
    policy: Policy | None = None
    wan_down: bool = False


class Path(Struct, frozen=True):
    """The way of one packet of the device, as the rules, routes and filters of the plan decide it."""

    family: Literal[4, 6]
    address: str | None  # None = any on the Internet
    verdict: Verdict
    exit: str | None  # whose tunnel carries it, or would
    interface: str | None  # by which it leaves
    source: str | None  # the address that it has outside of the LAN
    rule: str | None  # what refuses it, such as "device_blocked": ``drops`` of the status, less "drop_"
    counter: str | None  # of nftables, which counts it
    sentence: str


class NameAnswer(Struct, frozen=True):
    """What the gateway's resolver for the device answers to a name."""

    name: str
    addresses: tuple[str, ...]
    exit: str | None  # through whose tunnel the name is looked up; None = only the LAN's own names are known
    sentence: str


class Successor(Struct, frozen=True):
    """What failover would do for an exit that is supposed to be down."""

    provider: str | None
    server: str | None  # that would be tried first; where several are as good, one of them; None = there is none
    sentence: str


class Explanation(Struct, frozen=True):
    mac: str
    policy: Policy
    origin: Origin
    verdict: Verdict  # of the first path that a program would use
    sentence: str  # the whole answer, for people
    next_step: str | None
    lookup: NameAnswer | None  # of a destination that is a name
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    failover: Successor | None = None  # where the device's own exit is supposed to be down


class Why(Struct, frozen=True):
    """The present state of a device, and why."""

    mac: str
    name: str | None
    state: Literal["vpn", "direct", "blocked"]
    policy: Policy
    origin: Origin
    exit: str | None  # of the policy
    reason: str | None  # a code, where it is blocked: that of the exit, such as "handshake_timeout", or of the rule
    rule: str | None
    counter: str | None
    packets: int | None  # that the counter has counted, of all devices
    since: float | None  # Unix time of the present state; None = from before the network service started
    until: float | None  # Unix time at which it ends by itself
    sentence: str
    next_step: str | None
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


class Pause(Struct, frozen=True):
    """A pause that a device has taken: until then it leaves in the clear."""

    until: float  # Unix time


class OwnDevice(Struct, frozen=True):
    """A device as it may see itself."""

    why: Why
    address: str
    service: SelfService
    exits: tuple[str, ...]  # that it may choose
    chosen_exit: str | None
    can_pause: bool  # just now
    pause: Pause | None


class SelfServices(Struct, frozen=True):
    """What devices may decide for themselves: all, and those with rules of their own by MAC address."""

    everybody: SelfService
    devices: dict[str, SelfService]
