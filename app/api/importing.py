"""Import of WireGuard configurations."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import Success, operation
from app.gateway import Done, ImportConfig

blueprint = Blueprint("importing", __name__)


class ImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=255)]
    config: str  # bounded by the limit of the whole body

    def __repr__(self) -> str:
        return f"ImportBody({self.name!r})"  # never the keys


@operation(blueprint, "POST", "/api/import")
async def import_config(body: ImportBody) -> Success:
    """Import a .conf; its hooks are never run."""
    result = await gateway().submit(ImportConfig(body.name, body.config))
    assert isinstance(result, Done)
    return Success(True, result.message, result.warnings, result.public_key)
