"""What real packets have shown: the evidence of each probe, the canary's state, a browser's proof (pure)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ProbeKind = Literal[
    "tcp",
    "udp",
    "icmp",
    "dns",
    "dns_over_tls",
    "other_protocol",
    "spoofed_foreign",
    "spoofed_gateway",
    "spoofed_wan",
    "http",
    "name",
    "doh",
    "stun",
]


class Evidence(Struct, frozen=True):
    """Where one probe was seen. None: nobody could look there."""

    kind: ProbeKind
    family: Literal[4, 6]
    seen_on_lan: bool | None
    seen_in_tunnel: bool | None  # of its own exit
    seen_on_wan: bool | None  # in the clear: a leak
    seen_in_other_tunnel: bool | None = False  # of another exit


class Observation(Struct, frozen=True):
    """One round of probes as one device, and what came of it."""

    device: str  # the exit's name; "(new device)" or "(blocked)"
    mac: str
    time: float  # Unix time
    connected: bool  # whether its exit carried traffic
    evidence: tuple[Evidence, ...]
    control: bool | None  # whether WireGuard's own packets were seen on the WAN meanwhile; None = there is no tunnel
    leaked: int = 0  # packets of the probes on the WAN, or in another exit's tunnel
    missed: int = 0  # packets that passed a filter and could not be looked at
    problem: str | None = None  # why the round proves nothing, for people
    samples: tuple[str, ...] = ()  # the first bytes of leaked packets, in hexadecimal


class CanaryStatus(Struct, frozen=True):
    """The canary: rounds of probes at a low rate, each as another device of the LAN."""

    enabled: bool
    interval: float  # seconds between two rounds
    rounds: int = 0  # since netd's start
    probes: int = 0  # frames sent
    leaked: int = 0  # packets
    shut: str | None = None  # since when and why all exits are blocked, for people
    problem: str | None = None  # why it cannot probe now, for people
    latest: tuple[Observation, ...] = ()  # of each device that it is, the last round


class CanaryCounters(Struct, frozen=True):
    rounds: int
    probes: int
    leaked: int
    last_round: float  # Unix time; 0 = none yet
    shut: bool


class ProofProbe(Struct, frozen=True):
    """One thing for a browser to try. It fails: nobody answers at these addresses."""

    kind: Literal["http", "name", "doh", "stun"]
    family: Literal[4, 6]
    url: str


ProofState = Literal["watching", "done"]


class Proof(Struct, frozen=True):
    """The gateway's look at what one browser sends, for ``seconds`` from its start."""

    id: str
    state: ProofState
    seconds: float  # that are left
    probes: tuple[ProofProbe, ...]
    evidence: tuple[Evidence, ...] = ()  # once it is done
    control: bool | None = None  # whether WireGuard's own packets were seen on the WAN meanwhile
    problem: str | None = None
