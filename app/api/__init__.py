"""The HTTP API: one blueprint a resource.

A new resource is a module with a ``blueprint`` and a line in ``BLUEPRINTS``.
"""

from __future__ import annotations

from quart import Blueprint

from app.api import (
    connection,
    custom,
    devices,
    events,
    health,
    importing,
    keys,
    providers,
    servers,
    status,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    status.blueprint,
    providers.blueprint,
    servers.blueprint,
    connection.blueprint,
    custom.blueprint,
    importing.blueprint,
    keys.blueprint,
    devices.blueprint,
    health.blueprint,
    events.blueprint,
)
