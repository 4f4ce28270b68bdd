"""The HTTP API: one blueprint for each resource.

A new resource is a module with a ``blueprint`` and a line in ``BLUEPRINTS``.
"""

from __future__ import annotations

from quart import Blueprint

from app.api import (
    backup,
    bulk,
    connection,
    custom_servers,
    description,
    device_history,
    devices,
    events,
    exceptions,
    exits,
    explanations,
    groups,
    health,
    history,
    import_config,
    keys,
    leaktest,
    metrics,
    own_device,
    proof,
    provider_accounts,
    providers,
    self_service,
    servers,
    settings,
    status,
    support,
    traffic,
    wan,
)
from app.api.auth import credential_routes, routes
from app.api.graphql import routes as graphql

BLUEPRINTS: tuple[Blueprint, ...] = (
    status.blueprint,
    providers.blueprint,
    servers.blueprint,
    provider_accounts.blueprint,
    settings.blueprint,
    connection.blueprint,
    custom_servers.blueprint,
    import_config.blueprint,
    keys.blueprint,
    exits.blueprint,
    devices.blueprint,
    device_history.blueprint,
    explanations.blueprint,
    own_device.blueprint,
    self_service.blueprint,
    groups.blueprint,
    exceptions.blueprint,
    wan.blueprint,
    traffic.blueprint,
    history.blueprint,
    backup.blueprint,
    bulk.blueprint,
    metrics.blueprint,
    leaktest.blueprint,
    proof.blueprint,
    support.blueprint,
    health.blueprint,
    events.blueprint,
    description.blueprint,
    routes.blueprint,
    credential_routes.blueprint,
    graphql.blueprint,
)
