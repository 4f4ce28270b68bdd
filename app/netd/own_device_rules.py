"""The rules by which a device decides for itself: what the admin has allowed, and only while the VPN is its policy."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import ConflictError, ForbiddenError, InvalidFieldError
from app.explain.decision import Decide
from app.model import VpnPolicy
from app.self_service import exits_to_choose, granted, may_choose, may_pause
from app.store import Store
from app.store.validation import MAX_DEVICES

SHORTEST_PAUSE = 60  # seconds


class OwnDeviceRules:
    """Judges what a device asks for, as things are at that moment."""

    def __init__(
        self,
        store: Store,
        admins: Decide,
        clock: Callable[[], float],
    ) -> None:
        """``admins`` decides without the devices' own choices and pauses."""
        self._store = store
        self._admins = admins
        self._clock = clock

    def leaves_to(self, mac: str) -> bool:
        """Whether the admin leaves the device anything to decide: the VPN is its policy, and by no exception."""
        decision = self._admins(self._store.settings, mac, self._clock())
        return isinstance(decision.policy, VpnPolicy) and decision.origin != "exception"

    def check_choice(self, mac: str, exit_name: str | None) -> None:
        """Raises ForbiddenError, InvalidFieldError (``exit``), ConflictError (``blocked_by_admin``, ``too_many``)."""
        settings = self._store.settings
        if not may_choose(granted(settings, mac)):
            raise _not_allowed("choose its exit")
        if exit_name is not None and exit_name not in exits_to_choose(settings, mac):
            offered = ", ".join(exits_to_choose(settings, mac)) or "none"
            raise InvalidFieldError(f"exit: one that this device may choose: {offered}", field="exit")
        self._check_left_to(mac)
        if exit_name is not None and mac not in settings.chosen_exits and len(settings.chosen_exits) >= MAX_DEVICES:
            raise ConflictError(f"already {MAX_DEVICES} devices have chosen an exit", code="too_many")

    def check_pause(self, mac: str, seconds: int) -> None:
        """Raises ForbiddenError, InvalidFieldError (``pause``), ConflictError (``blocked_by_admin``)."""
        service = granted(self._store.settings, mac)
        if seconds == 0:
            return
        if not may_pause(service):
            raise _not_allowed("pause the VPN")
        if not SHORTEST_PAUSE <= seconds <= service.longest_pause:
            raise InvalidFieldError(
                f"pause: {SHORTEST_PAUSE} to {service.longest_pause} seconds, or 0 to end it", field="pause"
            )
        self._check_left_to(mac)

    def _check_left_to(self, mac: str) -> None:
        if not self.leaves_to(mac):
            raise ConflictError(
                "the admin's policy for this device is not the VPN just now, or an exception of the admin is open: it"
                " has nothing to decide",
                code="blocked_by_admin",
            )


def _not_allowed(what: str) -> ForbiddenError:
    return ForbiddenError(f"the admin does not let this device {what}", code="not_allowed")
