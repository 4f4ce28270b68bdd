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
    """Failover, automatic connection, changes of server by the clock, resolvers."""
    return await gateway().submit(GetPreferences())


@operation(blueprint, "PATCH", "/api/settings")
async def change_settings(body: PreferencesChange) -> Preferences:
    """Change what is named and leave the rest; answers with all of it."""
    return await gateway().submit(ChangePreferences(body))
