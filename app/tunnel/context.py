"""The interface between an exit's machine and the rest of netd; :class:`app.netd.exits.Exits` implements it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from app.addresses import Address
from app.model import Links, Settings, TunnelConfig
from app.network.plan import TunnelPlan
from app.network.wireguard.types import WireGuardBackend
from app.tunnel.exitcheck import Confirm
from app.tunnel.states import Connected, Reason, State, Target, Tunnel


class Advice(Struct, frozen=True):
    """The advice for a dead server: switch to ``target``, or stay blocked with ``reason`` and ``message``."""

    target: Target | None = None
    reason: Reason | None = None
    message: str = ""
    rest: bool = False  # no further attempt before a request or another WAN


class ExitContext(Protocol):
    @property
    def backend(self) -> WireGuardBackend: ...

    @property
    def links(self) -> Links: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def clock_behind(self) -> float:
        """Seconds until this gateway's clock again shows the latest time it has shown; 0 unless it was set back."""
        ...

    async def tunnel_config(self, target: Target) -> tuple[TunnelConfig, str | None]:
        """Configuration and location of a server. Raises NotFoundError, ConflictError, NotImplementedYetError."""
        ...

    def resolvers(self, exit_name: str) -> tuple[Address, ...]:
        """The resolvers that the exit's tunnel uses now."""
        ...

    def exit_confirmation(self, tunnel: Tunnel) -> Confirm:
        """The function that reads from the exit check's answer whether the address is that of the VPN of ``tunnel``."""
        ...

    async def enter(self, exit_name: str, state: State, cause: str | None = None) -> None:
        """Put ``policy_for(state)`` in force, then record and publish it. Raises KernelError, with the state unchanged.

        ``cause`` is why the tunnel in ``state`` was begun, where the states alone do not show it.
        """
        ...

    async def flip(self, exit_name: str, state: Connected, draining: Connected) -> None:
        """Move the exit's devices from the tunnel of ``draining`` to that of ``state`` in one atomic route change."""
        ...

    async def lookup(self, host: str) -> list[Address]:
        """The addresses of an endpoint's name, at least one that can be dialled.

        Raises LookupFailedError, KernelError.
        """
        ...

    def clash(self, exit_name: str, plan: TunnelPlan) -> str | None:
        """What overlaps so that the tunnel of ``plan`` must not be made, why, and what helps; None: nothing does."""
        ...

    def claim(self, exit_name: str, tunnel: Tunnel, peer_keys: Iterable[str]) -> str | None:
        """Claim the server of ``tunnel``; the reason why another exit keeps it, where one has a tunnel with its key."""
        ...

    def unanswered(self, tunnel: Tunnel, initiations: int) -> None:
        """Note that ``initiations`` to the server of ``tunnel`` left and that no handshake came."""
        ...

    async def fallback(self, exit_name: str, failed: Target) -> Advice:
        """Advice after ``failed`` did not answer. Takes seconds; may be cancelled."""
        ...

    def changed(self, exit_name: str) -> None:
        """Publish the exit's status, because something shown in it has changed (the exit address, for example)."""
        ...
