"""The settings that people change while the gateway runs."""

from __future__ import annotations

from quart import Blueprint

from app.api.auth.body import Code, PasswordText, RedactedStruct
from app.api.auth.confirmation import submit_confirmed
from app.api.context import gateway
from app.api.operation import operation
from app.protocol.commands import ChangePreferences, GetPreferences
from app.protocol.preferences import Preferences, PreferencesChange

blueprint = Blueprint("settings", __name__)


@operation(blueprint, "GET", "/api/settings")
async def get_settings() -> Preferences:
    """Get the settings: failover, automatic connection, scheduled changes of server, resolvers."""
    return await gateway().submit(GetPreferences())


class SettingsBody(PreferencesChange, RedactedStruct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of some settings; fields that are left out keep their value."""

    password: PasswordText | None = None  # the admin password, where devices are let out ``direct``
    code: Code | None = None  # and this where there is a second factor

    def change(self) -> PreferencesChange:
        return PreferencesChange(**{name: getattr(self, name) for name in PreferencesChange.__struct_fields__})


@operation(blueprint, "PATCH", "/api/settings")
async def change_settings(body: SettingsBody) -> Preferences:
    """Change the named settings and leave the rest; answers with all of them.

    With the ``default_policy`` ``direct``, devices without a policy of their own leave in the clear, so that the
    password is asked for again; as where new devices would leave so and wait no longer, or where schedules that let
    devices out go by another ``time_zone``.
    """
    change = body.change()
    needed = change.default_policy == "direct"
    return await submit_confirmed(ChangePreferences(change), body.password, body.code, needed=needed)
