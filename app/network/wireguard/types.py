"""The configuration and statistics of a WireGuard interface, and the protocol of both implementations."""

from __future__ import annotations

import re
from typing import Literal, Protocol

from msgspec import Struct

from app.addresses import Address, Network
from app.model import Secret

INTERFACE_NAME = re.compile(r"wg\d+[ab]")  # of the interfaces that the gateway manages, and of no others


class PeerConfig(Struct, frozen=True):
    """A peer's configuration. ``persistent_keepalive`` in seconds, 0 = off."""

    public_key: str
    preshared_key: Secret | None
    endpoint: tuple[Address, int] | None
    allowed_ips: tuple[Network, ...]
    persistent_keepalive: int


class DeviceConfig(Struct, frozen=True):
    private_key: Secret
    fwmark: int
    listen_port: int | None
    peers: tuple[PeerConfig, ...]


class PeerStats(Struct, frozen=True):
    """A peer's statistics. ``latest_handshake`` in Unix seconds, None = never."""

    public_key: str
    endpoint: tuple[Address, int] | None
    latest_handshake: float | None
    rx_bytes: int
    tx_bytes: int


class DeviceStats(Struct, frozen=True):
    fwmark: int
    listen_port: int
    peers: tuple[PeerStats, ...]


class WireGuardBackend(Protocol):
    """An implementation of WireGuard. All calls raise KernelError where it refuses."""

    @property
    def kind(self) -> Literal["kernel", "userspace"]: ...

    async def create(self, name: str) -> None:
        """Create the interface unless it exists. Idempotent."""
        ...

    async def configure(self, name: str, device: DeviceConfig) -> None:
        """Replace keys, mark and the whole set of peers; earlier sessions end."""
        ...

    async def set_endpoint(self, name: str, public_key: str, address: Address, port: int) -> None:
        """Set one peer's endpoint; also to the same address, which resets the cached source address. Sessions stay."""
        ...

    async def stats(self, name: str) -> DeviceStats | None:
        """The interface's statistics; None = no such interface."""
        ...

    async def remove(self, name: str) -> None:
        """Remove the interface. Idempotent."""
        ...

    async def names(self) -> set[str]:
        """The managed interfaces that exist."""
        ...
