"""What a device may see of itself and decide for itself, known by the address that it asks from.

The address is turned into a MAC address by the kernel's neighbour table at that moment: the answer goes to that MAC, so
whoever takes another device's address decides for nobody but itself. What is allowed is the admin's; netd checks it,
because a web process that was taken over may name any address.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec
from msgspec import UNSET

from app.errors import GatewayError, InvalidFieldError, NotFoundError
from app.explain.decision import Decide
from app.model import Settings
from app.netd.known_device import KnownDevices, literal
from app.netd.network_parts import NetworkChange, PlanApplied
from app.netd.own_device_rules import OwnDeviceRules
from app.netd.protocols import FollowPolicies
from app.protocol.commands import ChangeOwnDevice, GetOwnDevice, HandlerEntry
from app.protocol.explanations import OwnDevice, Pause, Why
from app.self_service import end_of_pause, exits_to_choose, granted, may_pause
from app.store import Store

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds


class Pauses(Protocol):
    """What is used of :class:`app.netd.pauses.Pauses`."""

    def paused(self) -> Iterable[str]: ...

    def until(self, mac: str) -> float | None: ...

    async def begin(self, mac: str, seconds: float) -> None: ...

    async def end(self, mac: str) -> None: ...


class OwnDevices:
    """The handlers of GetOwnDevice and ChangeOwnDevice, and the watch that ends pauses which are allowed no longer."""

    def __init__(
        self,
        *,
        store: Store,
        known: Callable[[], Awaitable[KnownDevices]],
        why: Callable[[str], Awaitable[Why]],
        admins: Decide,
        pauses: Pauses,
        follow: FollowPolicies,
        subscribe: Callable[[Callable[[NetworkChange], object]], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``known`` reads the neighbour table; ``admins`` decides without the devices' own choices and pauses.

        ``follow`` has the network follow a changed policy; ``subscribe`` tells of each change of the network.
        """
        self._store = store
        self._known = known
        self._why = why
        self._admins = admins
        self._pauses = pauses
        self._follow = follow
        self._clock = clock
        self._rules = OwnDeviceRules(store, admins, clock)
        self._due = asyncio.Event()
        subscribe(self._on_change)

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return GetOwnDevice.handled_by(self._get), ChangeOwnDevice.handled_by(self._change)

    async def _get(self, command: GetOwnDevice) -> OwnDevice:
        return await self._described(await self._mac(command.address), command.address)

    async def _change(self, command: ChangeOwnDevice) -> OwnDevice:
        mac = await self._mac(command.address)
        if command.exit is not UNSET and command.pause is not UNSET:
            raise InvalidFieldError("pause: one change at a time: the exit or a pause", field="pause")
        if command.exit is not UNSET:
            self._rules.check_choice(mac, command.exit)
            await self._choose(mac, command.exit)
        if command.pause is not UNSET:
            self._rules.check_pause(mac, command.pause)
            await self._pause(mac, command.pause)
        return await self._described(mac, command.address)

    # --- the exit ----------------------------------------------------------------------------------------------------

    async def _choose(self, mac: str, exit_name: str | None) -> None:
        before = self._store.settings.chosen_exits.get(mac)
        if before == exit_name:
            return
        self._store.update_settings(lambda s: _with_choice(s, mac, exit_name))
        # Only this choice is taken back, and only if no other request has changed it since.
        await self._follow(
            undo=lambda: self._store.update_settings(
                lambda s: _with_choice(s, mac, before) if s.chosen_exits.get(mac) == exit_name else s
            )
        )

    # --- the pause ---------------------------------------------------------------------------------------------------

    async def _pause(self, mac: str, seconds: int) -> None:
        if seconds == 0:
            if self._pauses.until(mac) is not None:
                await self._pauses.end(mac)
            return
        now = self._clock()
        until = end_of_pause(lambda at: self._admins(self._store.settings, mac, at).policy, now, now + seconds)
        await self._pauses.begin(mac, until - now)

    def wake(self) -> None:
        """Look again at the pauses: what is allowed may have changed."""
        self._due.set()

    async def run(self) -> None:
        """End, until cancelled, each pause of a device that the admin has blocked, or lets pause no longer."""
        while True:
            await self._due.wait()
            self._due.clear()
            if not await self.end_unwanted():
                await asyncio.sleep(RETRY)
                self._due.set()

    async def end_unwanted(self) -> bool:
        """End them once; False where one could not be ended."""
        settings, ended = self._store.settings, True
        for mac in tuple(self._pauses.paused()):
            if not (self._rules.leaves_to(mac) and may_pause(granted(settings, mac))):
                try:
                    await self._pauses.end(mac)
                except GatewayError as error:
                    ended = False
                    log.error("the pause of %s could not be ended: %s", mac, error.message)
        return ended

    # --- parts -------------------------------------------------------------------------------------------------------

    def _on_change(self, change: NetworkChange) -> None:
        if isinstance(change, PlanApplied):
            self.wake()

    async def _mac(self, address: str) -> str:
        found = literal(address)
        mac = None if found is None else (await self._known()).at(found)
        if mac is None:
            raise NotFoundError(
                "this request does not come from a device of the LAN: ask from the device itself, not by way of"
                " a VPN, a proxy or the gateway",
                code="not_a_device",
            )
        return mac

    async def _described(self, mac: str, address: str) -> OwnDevice:
        settings, until = self._store.settings, self._pauses.until(mac)
        service = granted(settings, mac)
        decides = self._rules.leaves_to(mac)
        exits = exits_to_choose(settings, mac) if decides else ()
        chosen = settings.chosen_exits.get(mac)
        return OwnDevice(
            why=await self._why(mac),
            address=address,
            service=service,
            exits=exits,
            chosen_exit=chosen if chosen in exits else None,
            can_pause=decides and may_pause(service),
            pause=Pause(until) if until is not None else None,
        )


def _with_choice(settings: Settings, mac: str, exit_name: str | None) -> Settings:
    others = {m: e for m, e in settings.chosen_exits.items() if m != mac}
    chosen = others if exit_name is None else {**others, mac: exit_name}
    return msgspec.structs.replace(settings, chosen_exits=chosen)
