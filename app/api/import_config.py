"""The import of WireGuard configurations."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import Success, operation
from app.errors import InvalidFieldError
from app.protocol.commands import ImportConfig

blueprint = Blueprint("importing", __name__)


class ImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    config: str  # bounded by the limit of the whole body
    name: Annotated[str, Meta(max_length=255)] | None = None  # used unchanged, or refused
    file: Annotated[str, Meta(min_length=1, max_length=255)] | None = (
        None  # instead: the file's, from which a name is made
    )
    dry_run: bool = False  # only check: the same answer, and nothing is stored

    def __repr__(self) -> str:
        return f"ImportBody({self.name!r}, {self.file!r})"  # never the keys

    def command(self) -> ImportConfig:
        """The command for this body. Raises InvalidFieldError (neither name nor file, or both)."""
        if self.file is None:
            if self.name is None:
                raise InvalidFieldError("name is missing", field="name", code="missing_field")
            return ImportConfig(self.name, self.config, dry_run=self.dry_run)
        if self.name is not None:
            raise InvalidFieldError("file: give it or a name, not both", field="file")
        return ImportConfig(self.file, self.config, from_file=True, dry_run=self.dry_run)


@operation(blueprint, "POST", "/api/import", needs_owner=False)
async def import_config(body: ImportBody) -> Success:
    """Import a .conf; its hooks are never run.

    With ``file`` instead of ``name`` the server gets the file's name, made to fit; the answer's ``server`` holds it.
    ``dry_run`` only checks the configuration, and answers its warnings.
    Where the file's key opens all servers of its provider, ``opens`` offers that (``use-key`` of that provider).
    """
    result = await gateway().submit(body.command())
    return Success(True, result.message, result.warnings, result.public_key, result.server, result.opens)
