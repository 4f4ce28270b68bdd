"""The devices as they are now: worked out for all at once, and anew only once something has changed."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.model import Device, Policy, PolicyException, Settings
from app.netd.devices.happenings import Known
from app.policies import Effective, effective_all
from app.policy_text import policy_text

MINUTE = 60.0  # seconds; schedules change on whole minutes, in every time zone
ANY = ""  # no device's address: stands for those that nobody has decided anything about


class PresentDevices:
    """The devices by MAC address. A default that changes has a thousand of them asked for at once."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        exceptions: Callable[[], tuple[PolicyException, ...]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._exceptions = exceptions
        self._wall = wall
        self._made_of: tuple[Settings, list[tuple[int, Policy]], float] | None = None
        self._policies: dict[str, Effective] = {}
        self._devices: dict[str, Device] = {}

    def known(self, mac: str) -> Known:
        settings = self._update()
        device = self._devices.get(mac) or Device(mac, own=False)
        service = settings.device_self_service.get(mac)
        present = self._policies.get(mac, self._policies[ANY])
        return Known(
            policy=policy_text(present.policy),
            source=present.source,
            own=policy_text(device.policy) if device.own else None,
            schedule=device.schedule,
            name=device.name,
            group=device.group,
            address=None if device.address is None else str(device.address),
            allow=None if service is None else service.allow,
        )

    def members(self, group: str) -> frozenset[str]:
        """The MAC addresses of the devices of ``group``."""
        return frozenset(d.mac for d in self._settings().devices if d.group == group)

    def _update(self) -> Settings:
        settings, exceptions, now = self._settings(), self._exceptions(), self._wall()
        made_of = settings, [(e.id, e.policy) for e in exceptions], now // MINUTE
        if self._made_of is None or settings is not self._made_of[0] or made_of[1:] != self._made_of[1:]:
            self._policies = effective_all(settings, now, exceptions, (ANY,))
            self._devices = {device.mac: device for device in settings.devices}
            self._made_of = made_of
        return settings
