"""The answers to commands that have no module of their own (pure)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from app.model import Server
from app.protocol.canary import CanaryCounters, Evidence
from app.protocol.statistics import Bytes, Series


class ListOffer(Struct, frozen=True):
    """An imported file whose key opens the whole server list of its provider (``UseFileKey`` accepts the offer)."""

    provider: str
    title: str
    server: str  # the imported one, whose key it is
    servers: int | None = None  # in the list kept here; None = it is fetched when the offer is accepted
    listed: bool = False  # the file's server is in that list; otherwise the file only looks like this provider's


class Done(Struct, frozen=True):
    message: str | None = None
    warnings: tuple[str, ...] = ()
    public_key: str | None = None  # the gateway's, where a command made or derived one
    server: str | None = None  # the one chosen for a place, or the name made from a file's
    opens: ListOffer | None = None  # of an imported file


class ServerList(Struct, frozen=True):
    provider: str
    servers: tuple[Server, ...]


class Keypair(Struct, frozen=True):
    """The only answer that holds a private key; it is made for the caller and forgotten."""

    private_key: str
    public_key: str

    def __repr__(self) -> str:
        return f"Keypair(***, {self.public_key!r})"


class Outcome(Struct, frozen=True):
    """The outcome of one command of a bulk request: its answer, or its error."""

    status: int  # as HTTP has it
    done: Done | None = None
    code: str | None = None
    message: str | None = None
    field: str | None = None


class TrafficSeries(Struct, frozen=True):
    series: Series
    rate: Bytes  # a second, just now


class TrafficByName(Struct, frozen=True):
    sums: dict[str, Bytes]
    rates: dict[str, Bytes]  # a second, just now; only what moves


class HistoryTable(Struct, frozen=True):
    csv: str
    next: int | None  # the ``before`` of the next page


class ProcessUse(Struct, frozen=True):
    started: float  # Unix time
    cpu: float  # seconds
    resident: int  # bytes
    descriptors: int


class Counters(Struct, frozen=True):
    """Bytes since the gateway was first started, by name; ``netd`` is netd's own process.

    ``contacts`` are exchanges with providers since netd's start, by path: ``tunnel``, or ``clear`` over the WAN.
    """

    total: Bytes
    devices: dict[str, Bytes]
    exits: dict[str, Bytes]
    netd: ProcessUse
    contacts: dict[str, int] = {}
    canary: CanaryCounters | None = None


OpeningName = Literal["direct", "default_policy", "new_devices", "exit_check", "roles", "self_service"]


class Opening(Struct, frozen=True):
    """One thing that a restored backup opens and that the present settings keep closed."""

    what: OpeningName
    message: str  # for people: which devices, address or ports


class Restored(Struct, frozen=True):
    """A summary of a backup. Without ``dry_run`` it is on disk, and netd is about to restart with it."""

    dry_run: bool
    created: float  # Unix time
    application: str  # the version that made it
    version: int  # of its format
    servers: int
    devices: int
    parts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    opens: tuple[Opening, ...] = ()


Verdict = Literal["ok", "failed", "unknown"]


class Check(Struct, frozen=True):
    name: str
    result: Verdict
    message: str  # a sentence for people


class LeakReport(Struct, frozen=True):
    ok: bool  # no check failed
    checks: tuple[Check, ...]
    evidence: tuple[Evidence, ...] = ()  # of the probes that were sent as a device of the LAN
    report: str | None = None  # the same as text, for people to keep
    control: bool | None = None  # whether WireGuard's own packets were seen on the WAN meanwhile; None = no tunnel


class LogLine(Struct, frozen=True):
    number: int
    time: float  # Unix time
    level: str
    logger: str
    message: str


class LogLines(Struct, frozen=True):
    """Log lines, the oldest first; a request ``after`` the number ``last`` gets the following ones."""

    lines: tuple[LogLine, ...]
    last: int
