"""Backups: one file with everything that cannot be regenerated: settings, devices, servers, keys, added parts.

The file is age's format for one passphrase (:mod:`app.store.age`), so that it can also be opened without a gateway.
Within it is one JSON document with a version of its own; docs/backup.md describes it. Restoring first checks everything
with the decoders and rules of the running gateway, and then changes everything atomically
(:mod:`app.store.file_transaction`).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import __version__
from app.errors import ConflictError, GatewayError, InvalidFieldError, TooLargeError
from app.model import ServerSecrets, Settings, StoredServer
from app.protocol.answers import Opening
from app.store import secrets as secrets_file
from app.store import servers as servers_file
from app.store import settings as settings_file
from app.store.documents import Decoded
from app.store.openings import check_accepted, openings
from app.store.state import Store
from app.store.validation import check_all

T = TypeVar("T")

FORMAT = "vpn-gateway backup"
VERSION = 1
MAX_BYTES = 8 * 1024 * 1024  # of the encrypted file; 1024 servers as providers have them are a tenth of it
MIN_PASSPHRASE, MAX_PASSPHRASE = 8, 1024  # characters

# From each version to the next, on the JSON document as it was read.
Migration = Callable[[dict[str, Any]], dict[str, Any]]
MIGRATIONS: dict[int, Migration] = {}


class _File(Struct, frozen=True):
    sha256: str
    content: str


class _Document(Struct, frozen=True):
    format: str
    version: int
    created: float
    application: str
    files: dict[str, _File]


class Summary(Struct, frozen=True):
    """A summary of a backup, for people."""

    created: float  # Unix time
    application: str  # the version that made it
    version: int  # the version of its format
    servers: int
    devices: int
    parts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    opens: tuple[Opening, ...] = ()  # compared with the settings in force


@dataclass(frozen=True)
class Part:
    """A state file besides the store's: ``read`` gives its content (None = no file), ``check`` validates a content.

    ``check`` raises ValueError or GatewayError, without a secret in the message. After a restore the owner reads the
    file again.
    """

    file: str
    read: Callable[[], Awaitable[bytes | None]]
    check: Callable[[bytes], object]


@dataclass(frozen=True)
class Contents:
    """The content of a backup that has passed every check; it holds keys."""

    summary: Summary
    settings: Settings
    servers: tuple[StoredServer, ...]
    secrets: dict[str, ServerSecrets] = field(repr=False)
    parts: dict[str, bytes] = field(repr=False)


class Backup:
    """The maker and restorer of backups of ``store``, called in the store's thread; one at a time, for the memory."""

    def __init__(self, store: Store, parts: Sequence[Part] = (), *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._parts = {part.file: part for part in parts}
        self._clock = clock
        self._busy = False

    async def create(self, passphrase: str) -> bytes:
        """A new backup, which has been opened and checked as a restore would.

        Raises InvalidFieldError (``passphrase``), ConflictError (``busy``, ``not_restorable``), TooLargeError.
        """
        words = _passphrase(passphrase, MIN_PASSPHRASE)
        parts = {part.file: await part.read() for part in self._parts.values()}
        data = await self._alone(_sealed, self.document(parts), words, self._parts)
        if len(data) > MAX_BYTES:
            raise TooLargeError(f"More than the {MAX_BYTES // 1024 // 1024} MiB that can be restored; remove servers")
        return data

    async def inspect(self, data: bytes, passphrase: str) -> Summary:
        """The summary of ``data``, after all checks of a restore. Changes nothing; raises as :meth:`restore` does."""
        return self._summary(await self._open(data, passphrase))

    async def restore(self, data: bytes, passphrase: str, accept: tuple[str, ...] = ()) -> Summary:
        """Replace everything by what ``data`` holds; the store has it when this returns, the kernel does not yet.

        ``accept`` names the openings (:mod:`app.store.openings`) that are wanted.

        Raises, and then nothing has changed: TooLargeError; InvalidFieldError with field ``passphrase``
        (``wrong_passphrase``) or ``backup`` (``damaged_backup``, ``newer_backup``, ``invalid_backup``); ConflictError
        (``busy``, ``accept_openings``); UnavailableError (``storage``).
        """
        contents = await self._open(data, passphrase)
        summary = self._summary(contents)
        check_accepted(summary.opens, accept)
        self._store.replace_all(contents.settings, contents.servers, contents.secrets, contents.parts)
        return summary

    def _summary(self, contents: Contents) -> Summary:
        return replace(contents.summary, opens=openings(self._store.settings, contents.settings))

    def document(self, parts: Mapping[str, bytes | None]) -> bytes:
        """The backup's content in the clear, with the others' ``parts``; it holds keys."""
        servers = self._store.servers()
        secrets = {s.name: self._store.secrets_for(s.name) for s in servers if self._store.has_secrets(s.name)}
        files = {
            settings_file.FILE: settings_file.encode(self._store.settings),
            servers_file.FILE: servers_file.encode(servers),
            secrets_file.FILE: secrets_file.encode(secrets),
        }
        files |= {name: content for name, content in parts.items() if content is not None}
        listed = {name: _File(hashlib.sha256(data).hexdigest(), data.decode()) for name, data in files.items()}
        return msgspec.json.encode(_Document(FORMAT, VERSION, self._clock(), __version__, listed))

    async def _open(self, data: bytes, passphrase: str) -> Contents:
        if len(data) > MAX_BYTES:
            raise TooLargeError(f"A backup has at most {MAX_BYTES // 1024 // 1024} MiB", field="backup")
        return await self._alone(_open, data, _passphrase(passphrase, 1), self._parts)

    async def _alone(self, work: Callable[..., T], *arguments: object) -> T:
        """Run ``work`` in a thread; it takes a second and up to 256 MiB, so never twice at a time."""
        if self._busy:
            raise ConflictError("A backup is being made or restored; try again in a moment", code="busy")
        self._busy = True
        running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        running.add_done_callback(self._done)
        return await asyncio.shield(running)  # a caller that goes away does not end the thread

    def _done(self, finished: asyncio.Future[Any]) -> None:
        self._busy = False
        if not finished.cancelled():
            finished.exception()  # retrieved; the caller that awaits it gets it too


# --- reading (pure) --------------------------------------------------------------------------------------------------


def _sealed(document: bytes, passphrase: str, parts: Mapping[str, Part]) -> bytes:
    """``document`` encrypted, once it has been decrypted and read again: nobody finds out on the day it is needed."""
    from app.store import age  # noqa: PLC0415 - 6 MB of ciphers, to be loaded by the first backup

    data = age.encrypt(document, passphrase)
    try:
        _open(data, passphrase, parts)
    except InvalidFieldError as error:
        raise ConflictError(
            f"No backup was made, because it could not be restored: correct this first. {error.message}",
            code="not_restorable",
        ) from None
    return data


def _open(data: bytes, passphrase: str, parts: Mapping[str, Part]) -> Contents:
    from app.store import age  # noqa: PLC0415

    try:
        document = age.decrypt(data, passphrase)
    except age.WrongPassphraseError:
        raise InvalidFieldError(
            "The passphrase does not open this backup", field="passphrase", code="wrong_passphrase"
        ) from None
    except age.WorkFactorError as error:
        raise _invalid(f"opening it would take too much memory ({error})") from None
    except age.AgeError as error:
        raise _damaged(str(error)) from None
    return read_document(document, parts)


def read_document(
    data: bytes, parts: Mapping[str, Part], migrations: Mapping[int, Migration] | None = None
) -> Contents:
    """All of a backup's content in the clear, checked. Raises InvalidFieldError as :meth:`Backup.restore` does."""
    try:
        raw = msgspec.json.decode(data)
        raw = migrate(raw, MIGRATIONS if migrations is None else migrations, VERSION)
        document = msgspec.convert(raw, _Document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _damaged(str(error)) from None
    for name, file in document.files.items():
        if hashlib.sha256(file.content.encode()).hexdigest() != file.sha256:
            raise _damaged(f"the checksum of {name[:80]!r} is wrong")

    settings = _decoded(document, settings_file.FILE, settings_file.decode, settings_file.VERSION)
    servers = _decoded(document, servers_file.FILE, servers_file.decode, servers_file.VERSION)
    secrets = _decoded(document, secrets_file.FILE, secrets_file.decode, secrets_file.VERSION)
    own = {settings_file.FILE, servers_file.FILE, secrets_file.FILE}
    others = {name: file.content.encode() for name, file in document.files.items() if name not in own}
    unknown = sorted(set(others) - set(parts))
    if unknown:
        raise _newer(f"it has parts that this version does not know: {', '.join(n[:80] for n in unknown[:5])}")
    try:
        lacking = check_all(settings, servers, secrets)
        for name, content in others.items():
            parts[name].check(content)
    except GatewayError as error:
        raise _invalid(error.message) from None
    except (ValueError, RecursionError) as error:
        raise _invalid(str(error)) from None
    return Contents(
        summary=Summary(
            created=document.created,
            application=document.application[:80],
            version=document.version,
            servers=len(servers),
            devices=len(settings.devices),
            parts=tuple(sorted(others)),
            warnings=tuple(f'the keys of "{name}" were lost before the backup was made' for name in lacking),
        ),
        settings=settings,
        servers=servers,
        secrets=secrets,
        parts=others,
    )


def migrate(document: Any, migrations: Mapping[int, Migration], version: int) -> dict[str, Any]:
    """``document`` brought to ``version``, one version after the other. Raises InvalidFieldError."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _invalid("this is not a backup of a VPN Gateway")
    at: Any = document.get("version")
    if not isinstance(at, int) or isinstance(at, bool) or at < 1:
        raise _invalid("it has no version")
    if at > version:
        raise _newer(f"its format has version {at}, this gateway knows {version}")
    while at < version:
        step = migrations.get(at)
        if step is None:
            raise _invalid(f"format version {at} is no longer supported")
        try:
            document = {**step(document), "version": at + 1}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _damaged(f"not a document of version {at}: {type(error).__name__}") from None
        at += 1
    return document


def _decoded(document: _Document, name: str, decode: Callable[[bytes], Decoded[T]], version: int) -> T:
    file = document.files.get(name)
    if file is None:
        raise _invalid(f"{name} is missing")
    try:
        decoded = decode(file.content.encode())
    except (ValueError, RecursionError) as error:
        raise _invalid(f"{name}: {error}") from None
    if decoded.version > version:
        raise _newer(f"{name} is of a newer version")
    if decoded.damaged:
        raise _invalid(f"{name}: not valid: {', '.join(decoded.damaged)[:300]}")
    return decoded.value


def _passphrase(text: str, shortest: int) -> str:
    """The passphrase in Unicode NFC: keyboards compose the same characters differently."""
    if not shortest <= len(text) <= MAX_PASSPHRASE:
        raise InvalidFieldError(
            f"passphrase: {shortest} to {MAX_PASSPHRASE} characters", field="passphrase", code="invalid_passphrase"
        )
    try:
        unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError:
        raise InvalidFieldError("passphrase: not text", field="passphrase", code="invalid_passphrase") from None
    return unicodedata.normalize("NFC", text)


def _damaged(reason: str) -> InvalidFieldError:
    return InvalidFieldError(f"The backup cannot be read: {reason}", field="backup", code="damaged_backup")


def _newer(reason: str) -> InvalidFieldError:
    return InvalidFieldError(f"The backup is of a newer version: {reason}", field="backup", code="newer_backup")


def _invalid(reason: str) -> InvalidFieldError:
    return InvalidFieldError(f"The backup cannot be used: {reason}", field="backup", code="invalid_backup")
