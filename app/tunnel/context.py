"""What the machine of an exit needs from the rest of netd; :class:`app.netd.exits.Exits` implements it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from app.addresses import Address
from app.model import Links, Settings, TunnelConfig
from app.network.wireguard.types import WireGuardBackend
from app.tunnel.exitcheck import Confirm
from app.tunnel.states import Connected, Reason, State, Target


class Advice(Struct, frozen=True):
    """What to do about a server that does not answer: go to ``target``; or stay, and say ``reason`` and ``message``."""

    target: Target | None = None
    reason: Reason | None = None
    message: str = ""


class ExitContext(Protocol):
    @property
    def backend(self) -> WireGuardBackend: ...

    @property
    def links(self) -> Links: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def clock_behind(self) -> float:
        """Seconds until this machine's clock is as late as it has been before somebody set it back."""
        ...

    async def tunnel_config(self, target: Target) -> tuple[TunnelConfig, str | None]:
        """Configuration and location of a server. Raises NotFoundError, ConflictError, NotImplementedYetError."""
        ...

    def exit_confirmation(self, provider: str) -> Confirm:
        """How ``provider`` tells from the exit check's answer whether the address is an exit of its own."""
        ...

    async def enter(self, exit_name: str, state: State, cause: str | None = None) -> None:
        """Put ``policy_for(state)`` in force, then record and publish it. Raises KernelError; then nothing moved.

        ``cause`` is why the tunnel in ``state`` was begun, where the states alone do not tell.
        """
        ...

    async def flip(self, exit_name: str, state: Connected, draining: Connected) -> None:
        """Move the exit's devices from the tunnel of ``draining`` to that of ``state`` in one atomic route change."""
        ...

    async def lookup(self, host: str) -> list[Address]:
        """Resolve an endpoint's name over the WAN, opening the hole for just that long. Raises LookupFailedError."""
        ...

    async def fallback(self, exit_name: str, failed: Target) -> Advice:
        """What to do instead of trying ``failed`` again and again. Takes seconds; may be cancelled."""
        ...

    def changed(self, exit_name: str) -> None:
        """Something shown about the exit has changed (its address seen from outside, say): publish it."""
        ...
