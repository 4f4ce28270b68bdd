"""The exit address of a connected tunnel, checked once for each connection, including an adopted one."""

from __future__ import annotations

import asyncio
import logging

from app.addresses import Address, is_on_internet
from app.tunnel import backoff
from app.tunnel.context import ExitContext
from app.tunnel.exitcheck import ExitAddress, check_exit_address
from app.tunnel.states import Connected, State, Target

log = logging.getLogger(__name__)

ATTEMPTS = 3


class ExitAddressCheck:
    """Checks the exit address of exit ``name`` through the exit, with packets that carry ``mark``."""

    def __init__(self, name: str, mark: int, context: ExitContext) -> None:
        self.name = name
        self._mark = mark
        self._context = context
        self._connection: tuple[Target, float] | None = None
        self._address: ExitAddress | None = None
        self._task: asyncio.Task[None] | None = None

    def on_state(self, state: State) -> None:
        """Start the check for a connection that is new in ``state``, and end that of any earlier one."""
        connection = _connection_of(state)
        if connection == self._connection:
            return
        self.stop()
        self._connection = connection
        if isinstance(state, Connected):
            self._task = asyncio.create_task(self._check(state), name=f"exit address of {self.name}")

    def stop(self) -> None:
        """End the check and forget the address."""
        self._connection = self._address = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def address(self, state: State) -> ExitAddress | None:
        """The exit address of the connection in ``state``; None while it is unknown."""
        return self._address if self._connection == _connection_of(state) else None

    async def _check(self, state: Connected) -> None:
        url = self._context.settings.exit_check_url
        plan = state.tunnel.plan
        provider = state.tunnel.target.provider
        confirm = self._context.exit_confirmation(state.tunnel)
        if url is None:
            return
        for attempt in range(1, ATTEMPTS + 1):
            resolvers = self._context.resolvers(self.name)
            found = await check_exit_address(
                url, resolvers, self._mark, ipv6=plan.carries_all(6), confirm=confirm, permitted=self._permitted
            )
            if found is not None:
                if self._connection != _connection_of(state):
                    return  # the tunnel has been replaced
                self._address = found
                if found.confirmed is False:
                    log.warning("exit %s: %s says that %s is not one of its exits", self.name, provider, found.ip)
                self._context.changed(self.name)
                return
            await asyncio.sleep(backoff.delay(attempt))

    def _permitted(self, address: Address) -> bool:
        """Whether ``address`` is on the Internet and not this gateway's own."""
        wan = self._context.links.wan
        return is_on_internet(address) and all(address != own.ip for own in (wan.addresses if wan else ()))


def _connection_of(state: State) -> tuple[Target, float] | None:
    """The identity of a connection; a later connection to the same server has another one."""
    return (state.tunnel.target, state.since_boot) if isinstance(state, Connected) else None
