"""The protocols that several modules of netd use; one that a single module uses is declared there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from app.errors import ConflictError
from app.model import Server
from app.network.plan import TransportPeer
from app.providers.base import Provider
from app.tunnel.states import Target

Verdict = Callable[[Server], ConflictError | None]  # why an exit may not use a server; None = it may


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


class KnownExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def get(self, name: str) -> object:
        """Raises NotFoundError."""
        ...


class ServerResolver(Protocol):
    """What is used of :class:`app.netd.server_directory.ServerDirectory`."""

    async def resolve(self, provider: str, selector: str, verdict: Verdict | None = None) -> Sequence[Target]: ...


class Choice(Struct, frozen=True):
    """The servers for one request, best first, at least one; and what was asked for."""

    asked: str
    targets: Sequence[Target]


class ExitServers(Protocol):
    """What is used of :class:`app.netd.exit_targets.ExitTargets`."""

    async def resolve(self, exit_name: str, selector: str, provider: str | None = None) -> Choice: ...

    async def own(self, exit_name: str) -> Choice: ...


class PlannedNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    async def replan(self) -> None: ...

    async def plan_again(self) -> None: ...


class FollowPolicies(Protocol):
    """:meth:`app.netd.policies.changes.PolicyChanges.follow`."""

    async def __call__(self, *, undo: Callable[[], object]) -> None: ...


class CleartextAllowlist(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    def allow_cleartext(self, peers: tuple[TransportPeer, ...]) -> AbstractAsyncContextManager[None]:
        """Put TCP destinations on the cleartext allowlist for the context. Raises KernelError; then nothing is open."""
        ...
