"""The commands by which the admin decides what devices may decide for themselves (:mod:`app.self_service`)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.errors import ConflictError
from app.model import SelfService, Settings
from app.netd.device_checks import OwnAddresses, device_address
from app.netd.protocols import FollowPolicies, OwnerPassword
from app.protocol.answers import Done
from app.protocol.commands import GetSelfService, HandlerEntry, SetSelfService
from app.protocol.events import DeviceChanged, EventSink, SettingsChanged
from app.protocol.explanations import SelfServices
from app.self_service import more_pauses
from app.store import Store
from app.store.validation import MAX_DEVICES, check_self_service


class SelfServiceCommands:
    """The handlers of GetSelfService and SetSelfService."""

    def __init__(
        self,
        store: Store,
        publish: EventSink,
        check_owner: OwnerPassword,
        follow: FollowPolicies,
        wake: Callable[[], object],
        own: OwnAddresses = frozenset,
    ) -> None:
        """``follow`` has the network follow a change, ``wake`` the pauses; ``own`` are the gateway's MAC addresses."""
        self._own = own
        self._store = store
        self._publish = publish
        self._check_owner = check_owner
        self._follow = follow
        self._wake = wake

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return GetSelfService.handled_by(self._get), SetSelfService.handled_by(self._set)

    async def _get(self, _command: GetSelfService) -> SelfServices:
        settings = self._store.settings
        return SelfServices(settings.self_service, settings.device_self_service)

    async def _set(self, command: SetSelfService) -> Done:
        settings = self._store.settings
        mac = None if command.mac is None else device_address(command.mac, self._own)
        service = command.service
        if service is not None:
            check_self_service(service, settings.exits)
        elif mac is None:
            service = SelfService()
        if any(True for _ in more_pauses(settings, _with_service(settings, mac, service))):
            await self._check_owner(command.password)
        before = self._store.settings
        own = before.device_self_service
        if mac is not None and service is not None and mac not in own and len(own) >= MAX_DEVICES:
            raise ConflictError(f"already {MAX_DEVICES} devices have a rule of their own", code="too_many")
        after = self._store.update_settings(lambda s: _with_service(s, mac, service))
        if before.chosen_exits:  # some may count no longer, or again
            # Only this change is taken back, and only if no other request has made another since.
            old = _service(before, mac)
            await self._follow(
                undo=lambda: self._store.update_settings(
                    lambda s: _with_service(s, mac, old) if _service(s, mac) == _service(after, mac) else s
                )
            )
        self._wake()
        self._publish(SettingsChanged(("self_service",)) if mac is None else DeviceChanged(mac, "self_service"))
        return Done()


def _service(settings: Settings, mac: str | None) -> SelfService | None:
    return settings.self_service if mac is None else settings.device_self_service.get(mac)


def _with_service(settings: Settings, mac: str | None, service: SelfService | None) -> Settings:
    if mac is None:
        return msgspec.structs.replace(settings, self_service=service or SelfService())
    others = {m: s for m, s in settings.device_self_service.items() if m != mac}
    own = others if service is None else {**others, mac: service}
    return msgspec.structs.replace(settings, device_self_service=own)
