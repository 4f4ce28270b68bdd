"""The settings that people change while the gateway runs."""

from __future__ import annotations

from quart import Blueprint

from app.api.context import gateway
from app.api.operation import operation
from app.protocol.commands import ChangePreferences, GetPreferences
from app.protocol.preferences import Preferences, PreferencesChange

blueprint = Blueprint("settings", __name__)


@operation(blueprint, "GET", "/api/settings")
async def get_settings() -> Preferences:
    """Get the settings: failover, automatic connection, scheduled changes of server, resolvers."""
    return await gateway().submit(GetPreferences())


@operation(blueprint, "PATCH", "/api/settings")
async def change_settings(body: PreferencesChange) -> Preferences:
    """Change the named settings and leave the rest; answers with all of them."""
    return await gateway().submit(ChangePreferences(body))
