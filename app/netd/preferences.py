"""The commands that read and change preferences: the settings that need no restart."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from app.exit_settings import exit_names, mirrored
from app.model import Settings
from app.netd.devices.policy_of_all import PolicyOfAll
from app.policy_text import policy_text
from app.protocol.commands import ChangePreferences, GetPreferences, HandlerEntry
from app.protocol.events import EventSink, SettingsChanged
from app.protocol.preferences import Preferences
from app.schedules import check_zone
from app.store import Store
from app.store.validation import check_mtu, check_preferences

# These need a check beyond their type.
CHECKED = ("fallback_dns", "exit_check_url", "server_changes", "rebind_exceptions", "host_names")


class PreferenceCommands:
    """The handlers of GetPreferences and ChangePreferences."""

    def __init__(self, store: Store, publish: EventSink, apply: Callable[[], object], policies: PolicyOfAll) -> None:
        """``apply`` is called after each change, to have the DHCP and DNS of the LAN follow it."""
        self._store = store
        self._publish = publish
        self._apply = apply
        self._policies = policies

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return GetPreferences.handled_by(self._get), ChangePreferences.handled_by(self._change)

    async def _get(self, _command: GetPreferences) -> Preferences:
        return preferences(self._store.settings)

    async def _change(self, command: ChangePreferences) -> Preferences:
        """Store the given fields and publish their names. Raises InvalidFieldError."""
        change = command.change
        wanted = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
        lan = self._store.settings.lan.networks
        check_preferences(**{name: value for name, value in wanted.items() if name in CHECKED}, lan=lan)
        if change.mtu is not UNSET:
            check_mtu(change.mtu, exit_names(self._store.settings))
        if change.time_zone is not UNSET:
            check_zone(change.time_zone)
        if wanted:
            await self._policies.change(wanted, command.password)
            self._apply()
            self._publish(SettingsChanged(tuple(sorted(wanted))))
        return preferences(self._store.settings)


def preferences(settings: Settings) -> Preferences:
    settings = mirrored(settings)
    return Preferences(
        failover=settings.failover,
        connect_at_boot=settings.connect_at_boot,
        server_changes=settings.server_changes,
        measure_latency=settings.measure_latency,
        fallback_dns=settings.fallback_dns,
        exit_check_url=settings.exit_check_url,
        rebind_exceptions=settings.rebind_exceptions,
        host_names=settings.host_names,
        mtu=settings.mtu,
        default_policy=policy_text(settings.default_policy),
        new_device_policy=settings.new_device_policy,
        favourites=settings.favourites,
        recent=settings.recent,
        time_zone=settings.time_zone,
    )
