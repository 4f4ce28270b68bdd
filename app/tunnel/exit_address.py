"""The exit address of a tunnel that is up: asked for once in the tunnel's life, however it came to be up."""

from __future__ import annotations

import asyncio
import logging

from app.tunnel import backoff
from app.tunnel.context import ExitContext
from app.tunnel.exitcheck import ExitAddress, check_exit_address
from app.tunnel.states import Connected, State, Tunnel

log = logging.getLogger(__name__)

ATTEMPTS = 3


class ExitAddressCheck:
    """What the Internet sees of exit ``name``, asked through it by packets with ``mark``."""

    def __init__(self, name: str, mark: int, context: ExitContext) -> None:
        self._name = name
        self._mark = mark
        self._context = context
        self._life: tuple[Tunnel, float] | None = None
        self._seen: ExitAddress | None = None
        self._asking: asyncio.Task[None] | None = None

    def entered(self, state: State) -> None:
        """Called for every state that is entered: a tunnel that is new in it has a task that asks, and no other has."""
        life = _life(state)
        if life == self._life:
            return
        self.stop()
        self._life = life
        if isinstance(state, Connected):
            self._asking = asyncio.create_task(self._ask(state), name=f"exit address of {self._name}")

    def stop(self) -> None:
        """Ask no more, and forget what was seen."""
        self._life = self._seen = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def seen(self, state: State) -> ExitAddress | None:
        """What was seen of the tunnel in ``state``; None while it is not known."""
        return self._seen if self._life == _life(state) else None

    async def _ask(self, state: Connected) -> None:
        url = self._context.settings.exit_check_url
        plan = state.tunnel.plan
        provider = state.tunnel.target.provider
        confirm = self._context.exit_confirmation(provider)
        if url is None:
            return
        for attempt in range(1, ATTEMPTS + 1):
            seen = await check_exit_address(url, plan.dns, self._mark, ipv6=plan.carries_all(6), confirm=confirm)
            if seen is not None:
                if self._life != _life(state):
                    return  # another tunnel's turn
                self._seen = seen
                if seen.confirmed is False:
                    log.warning("exit %s: %s does not know %s for an exit of its own", self._name, provider, seen.ip)
                self._context.changed(self._name)
                return
            await asyncio.sleep(backoff.delay(attempt))


def _life(state: State) -> tuple[Tunnel, float] | None:
    """What tells a tunnel that is up from every other one, also from an earlier one to the same server."""
    return (state.tunnel, state.since_boot) if isinstance(state, Connected) else None
