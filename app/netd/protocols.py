"""The protocols that several modules of netd use; one that a single module uses is declared there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from app.network.plan import TransportPeer
from app.providers.base import Provider
from app.tunnel.states import Target


class ProviderLookup(Protocol):
    """What is used of :class:`app.providers.registry.Registry`."""

    def get(self, name: str) -> Provider:
        """Raises NotFoundError (``provider``)."""
        ...


class OwnerPassword(Protocol):
    """What is used of :class:`app.netd.owner.OwnerCheck`."""

    async def __call__(self, password: str | None) -> None:
        """Raises ForbiddenError (no owner, or wrong), TooManyRequestsError, UnavailableError."""
        ...


class ServerResolver(Protocol):
    """What is used of :class:`app.netd.server_directory.ServerDirectory`."""

    async def resolve(self, provider: str, selector: str) -> Sequence[Target]: ...


class DeviceNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    async def replan(self) -> None: ...

    async def forget_device(self, mac: str) -> None: ...


class CleartextAllowlist(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    def allow_cleartext(self, peers: tuple[TransportPeer, ...]) -> AbstractAsyncContextManager[None]:
        """Put TCP destinations on the cleartext allowlist for the context. Raises KernelError; then nothing is open."""
        ...
