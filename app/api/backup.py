"""Backup and restore: one file, encrypted with a passphrase, that holds everything that cannot be regenerated."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace
from quart import Blueprint

from app.api.auth.body import Code, PasswordText
from app.api.auth.confirmation import confirm_password, submit_as_owner
from app.api.context import gateway
from app.api.operation import Download, operation
from app.protocol.answers import Opening, OpeningName
from app.protocol.commands import CreateBackup, RestoreBackup

blueprint = Blueprint("backup", __name__)

RESTORED = "Restored. The gateway restarts with these settings; devices are blocked until their tunnel is up."


class BackupBody(Struct, frozen=True, forbid_unknown_fields=True):
    passphrase: str  # 8 to 1024 characters
    password: PasswordText | None = None  # the admin password; needed also with a session or a key
    code: Code | None = None  # and this where there is a second factor

    def __repr__(self) -> str:
        return "BackupBody(***)"


class RestoreBody(Struct, frozen=True, forbid_unknown_fields=True):
    backup: bytes  # the file in base64 (RFC 4648)
    passphrase: str
    dry_run: bool = False  # only check, change nothing
    accept: tuple[OpeningName, ...] = ()  # what it may open; a dry run lists it
    password: PasswordText | None = None  # the admin password, of this gateway; not for a dry run
    code: Code | None = None  # and this where there is a second factor

    def __repr__(self) -> str:
        return f"RestoreBody({len(self.backup)} bytes, ***, dry_run={self.dry_run}, accept={self.accept})"


class RestoredBody(Struct, frozen=True):
    success: bool
    dry_run: bool
    message: str | None
    created: float  # Unix time
    application: str  # the version that made it
    version: int  # of the file's format
    servers: int
    devices: int
    parts: tuple[str, ...]
    warnings: tuple[str, ...]
    opens: tuple[Opening, ...]  # what it allows and the present settings do not


@operation(blueprint, "POST", "/api/backup", limit="connection", produces="application/octet-stream")
async def create_backup(body: BackupBody) -> Download:
    """Settings, devices, servers and their keys in one file (age, encrypted with the passphrase).

    The password is asked for again: every key leaves the gateway.
    """
    password = await confirm_password(body.password, body.code)
    data = await submit_as_owner(CreateBackup(body.passphrase, password), password)
    return Download(data, f"vpn-gateway-{datetime.now(UTC):%Y-%m-%d}.age")


@operation(blueprint, "POST", "/api/restore", limit="connection")
async def restore_backup(body: RestoreBody) -> RestoredBody:
    """Check a whole backup, then replace everything by it atomically; nothing leaves in the clear during the change.

    A backup that is at fault in any part changes nothing, and so does one that opens what ``accept`` does not name. The
    password is asked for again, but not for a dry run.
    """
    command = RestoreBackup(body.backup, body.passphrase, body.dry_run, body.accept)
    if body.dry_run:
        result = await gateway().submit(command)
    else:
        password = await confirm_password(body.password, body.code)
        result = await submit_as_owner(replace(command, password=password), password)
    return RestoredBody(
        success=True,
        dry_run=result.dry_run,
        message=None if result.dry_run else RESTORED,
        created=result.created,
        application=result.application,
        version=result.version,
        servers=result.servers,
        devices=result.devices,
        parts=result.parts,
        warnings=result.warnings,
        opens=result.opens,
    )
