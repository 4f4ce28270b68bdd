"""Connecting and disconnecting."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Blueprint

from app.api.context import gateway, snapshot
from app.api.operation import Success, operation
from app.errors import InvalidFieldError
from app.model import DEFAULT_EXIT
from app.protocol.commands import Connect, Disconnect
from app.protocol.status import Snapshot

blueprint = Blueprint("connection", __name__)

DISCONNECTED = "Disconnected - No internet (killswitch active)"  # word for word that of the API contract (docs/api.md)

Name = Annotated[str, Meta(min_length=1, max_length=255)]


class ConnectBody(Struct, frozen=True, forbid_unknown_fields=True):
    # A host name, a city, a country, "fastest" or "random", the last two also as "fastest:Sweden". It may be left out
    # where the exit has a target.
    server: Name | UnsetType = UNSET
    exit: Name = DEFAULT_EXIT
    provider: Name | None = None  # None = the current one


@operation(blueprint, "POST", "/api/connect", scope="connect", limit="connection", needs_owner=False)
async def connect(body: ConnectBody) -> Success:
    """Connect to a server; answers once a handshake has completed."""
    if body.server is UNSET:
        await _check_target(body.exit)
    result = await gateway().submit(Connect(None if body.server is UNSET else body.server, body.exit, body.provider))
    return Success(True, result.message, result.warnings, server=result.server)


async def _check_target(exit_name: str) -> None:
    """Raises InvalidFieldError (``server``) where the exit has no target of its own; of an unknown one netd tells."""
    if exit_name in without_target(await snapshot()):
        raise InvalidFieldError("server is missing", field="server", code="missing_field")


def without_target(now: Snapshot) -> set[str]:
    """The exits that have no target of their own."""
    return {one.name for one in now.exits} - {one.name for one in now.exit_settings if one.target is not None}


class DisconnectBody(Struct, frozen=True, forbid_unknown_fields=True):
    exit: Name = DEFAULT_EXIT


@operation(blueprint, "POST", "/api/disconnect", scope="connect", limit="connection", needs_owner=False)
async def disconnect(body: DisconnectBody | None) -> Success:
    """Disconnect; the devices of the exit are blocked from then on."""
    result = await gateway().submit(Disconnect(body.exit if body else DEFAULT_EXIT))
    return Success(True, DISCONNECTED, result.warnings)
