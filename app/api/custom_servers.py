"""The user's own servers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import Success, operation
from app.protocol.commands import AddCustomServer, RemoveCustomServer

blueprint = Blueprint("custom", __name__)

Text = Annotated[str, Meta(max_length=8192)]
Count = Annotated[int, Meta(ge=0, le=65535)]


class CustomServerBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The parts of a server, as in the API contract (docs/api.md). A misspelt field is refused, not ignored."""

    name: Text
    endpoint: Text
    public_key: Text
    private_key: Text | None = None  # None = the gateway makes a pair and answers with its public key
    address: Text | None = None
    dns: Text | None = None
    allowed_ips: Text | None = None
    location: Text | None = None
    preshared_key: Text | None = None
    mtu: Count | None = None
    persistent_keepalive: Count | None = None

    def __repr__(self) -> str:
        return f"CustomServerBody({self.name!r})"  # never the keys


@operation(blueprint, "POST", "/api/custom/add", needs_owner=False)
async def add_custom_server(body: CustomServerBody) -> Success:
    """Add a server from its parts."""
    result = await gateway().submit(AddCustomServer(**msgspec.structs.asdict(body)))
    return Success(True, result.message, result.warnings, result.public_key)


@operation(blueprint, "DELETE", "/api/custom/remove/<name>", needs_owner=False)
async def remove_custom_server(name: str) -> Success:
    """Remove a custom or imported server and its keys."""
    result = await gateway().submit(RemoveCustomServer(name))
    return Success(True, result.message, result.warnings)
