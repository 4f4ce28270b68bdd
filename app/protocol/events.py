"""The events of the gateway: each kind with its own fields, numbered and dated.

The tag is the ``type`` that clients of ``/ws`` see, the fields are the payload's; one that is ``UNSET`` is left out
there. docs/events.md describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.protocol.statistics import Rates

Text = str | UnsetType
Number = int | UnsetType


class StatusChanged(Struct, frozen=True, tag="status_change"):
    """The status has changed; clients receive all of it."""

    exit: str | None = None  # whose status; None = the WAN's


class ServersChanged(Struct, frozen=True, tag="server_update"):
    provider: str
    added: Text = UNSET  # a server's name
    removed: Text = UNSET
    favourite: Text = UNSET  # the server that has become one, or is one no longer
    servers: Number = UNSET  # how many a fetched list has
    measured: Number = UNSET  # how many answered


class SecurityAlert(Struct, frozen=True, tag="security_alert"):
    reason: str  # a code
    message: str  # for people
    exit: Text = UNSET  # the one concerned
    drift: tuple[str, ...] | UnsetType = UNSET  # the differences between the kernel and the plan
    port: Text = UNSET  # the one that a foreign router answers on, or that stopped sending
    client: Text = UNSET  # the address that passwords are tried from
    failures: Number = UNSET  # consecutive ones
    device: Text = UNSET  # the MAC address of the one that waits for its admission


class SettingsChanged(Struct, frozen=True, tag="settings_change"):
    changed: tuple[str, ...]  # names


class WanChanged(Struct, frozen=True, tag="wan_change"):
    """Another port is the WAN."""

    interface: str | None  # None = there is none
    port: str | None  # under a VLAN or PPPoE; else the interface
    problem: str | None  # the reason why there is none


DeviceReason = Literal[
    "appeared",  # it was never seen before
    "online",
    "offline",
    "lease",  # a new one, or with another address or name
    "lease_ended",
    "policy",
    "renamed",
    "group",
    "address",  # the fixed one
    "admitted",
    "forgotten",
    "self_service",  # what it may decide itself, or has decided
]


class DeviceChanged(Struct, frozen=True, tag="device_change"):
    """A device of the LAN has changed; clients receive its present state."""

    mac: str
    reason: DeviceReason
    address: str | None = None  # of a new lease


class ExitChanged(Struct, frozen=True, tag="exit_change"):
    """An exit was made, renamed, changed or removed."""

    exit: str  # its present name
    change: Literal["made", "renamed", "changed", "removed"]
    before: Text = UNSET  # the name that it had


class ExceptionStarted(Struct, frozen=True, tag="exception_start"):
    """A device or a group has another policy for a while; also where its end was moved."""

    id: int
    device: str | None  # its MAC address; None = of the group
    group: str | None
    policy: str
    until: float  # Unix time
    by: str  # who asked for it
    reason: str | None


class ExceptionEnding(Struct, frozen=True, tag="exception_ending"):
    """An exception ends in a minute."""

    id: int
    device: str | None
    group: str | None
    policy: str
    until: float


class ExceptionEnded(Struct, frozen=True, tag="exception_end"):
    """An exception has ended: its time is over, someone ended it, or another one took its place."""

    id: int
    device: str | None
    group: str | None
    policy: str
    cause: Literal["time", "ended", "replaced"]


class TrafficRates(Rates, frozen=True, tag="traffic"):
    """Rates at one moment: the event has the number of the one before it, and is not kept."""


class ProviderContact(Struct, frozen=True, tag="provider_contact"):
    """The gateway contacts a provider."""

    way: Literal["tunnel", "clear"]
    addresses: tuple[str, ...]
    port: int


class AccountChanged(Struct, frozen=True, tag="provider_account"):
    """The account at a provider has changed."""

    provider: str
    problem: str | UnsetType | None = UNSET  # a code
    days_left: int | UnsetType | None = UNSET
    rotated: bool | UnsetType = UNSET  # it has a fresh key


GatewayEvent = (
    StatusChanged
    | ServersChanged
    | SecurityAlert
    | SettingsChanged
    | WanChanged
    | DeviceChanged
    | ExitChanged
    | ExceptionStarted
    | ExceptionEnding
    | ExceptionEnded
    | TrafficRates
    | ProviderContact
    | AccountChanged
)
EventSink = Callable[[GatewayEvent], object]


def kind(event: GatewayEvent) -> str:
    return str(event.__struct_config__.tag)


def payload(event: GatewayEvent) -> dict[str, Any]:
    """The fields of ``event`` that clients receive."""
    return {name: value for name, value in msgspec.structs.asdict(event).items() if value is not UNSET}


class Event(Struct, frozen=True):
    """A :data:`GatewayEvent` as it happened. Numbers follow one another."""

    seq: int
    time: float  # Unix time
    event: GatewayEvent
