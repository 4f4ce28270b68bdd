"""The settings that people change while the gateway runs."""

from __future__ import annotations

from quart import Blueprint

from app.api.auth.body import Code, PasswordText, RedactedStruct
from app.api.auth.confirmation import confirm_password, submit_as_owner
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

    password: PasswordText | None = None  # the admin password, for the default policy ``direct``
    code: Code | None = None  # and this where there is a second factor

    def change(self) -> PreferencesChange:
        return PreferencesChange(**{name: getattr(self, name) for name in PreferencesChange.__struct_fields__})


@operation(blueprint, "PATCH", "/api/settings")
async def change_settings(body: SettingsBody) -> Preferences:
    """Change the named settings and leave the rest; answers with all of them.

    With the ``default_policy`` ``direct``, devices without a policy of their own leave in the clear, so that the
    password is asked for again.
    """
    change = body.change()
    if change.default_policy != "direct":
        return await gateway().submit(ChangePreferences(change))
    password = await confirm_password(body.password, body.code)
    return await submit_as_owner(ChangePreferences(change, password), password)
