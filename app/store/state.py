"""The store of netd's state on disk: one writer, atomic files, and an order of writes that survives any power cut.

* A server is added secrets first and removed secrets last: a key without its server may be left behind and is collected
  at the next load; a server without its keys cannot come about.
* A damaged file is kept as ``NAME.bad`` and what is missing falls back to its default, in which nothing is connected
  and no device is ``direct``: the gateway is blocked, never open. ``problems`` names the damage.
* Every call is synchronous, which is a choice: a change is judged by the settings that it changes, on the disk and in
  force, all at one moment. With an ``await`` in between, two commands would each write a whole file without the other's
  change; the plan would be made of settings that a power cut takes back; and something could still be written over the
  files of a restored backup before this process has stopped. The price is an fsync of some kilobytes on the event loop
  for each change that a person makes. All other files go through :mod:`app.async_files`.
"""

from __future__ import annotations

import fcntl
import os
import unicodedata
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from msgspec.structs import replace

from app import atomic
from app.errors import ConflictError, NotFoundError, UnavailableError
from app.exit_settings import migrated
from app.model import ServerSecrets, Settings, StoredServer
from app.store import documents, file_transaction
from app.store import secrets as secrets_file
from app.store import servers as servers_file
from app.store import settings as settings_file
from app.store.documents import Decoded, Loaded
from app.store.planning import overlapping
from app.store.servers import same_name
from app.store.validation import MAX_SERVERS, check_change

T = TypeVar("T")

_Content = tuple[Settings, dict[str, StoredServer], dict[str, ServerSecrets]]

_LOCK_FILE = ".lock"
_IN_TRANSACTION: ContextVar[bool] = ContextVar("in_transaction", default=False)  # this task's, and those that it starts


class Store:
    """The state directory (0700). Call :meth:`load` once before anything else.

    Every method that writes raises UnavailableError (``storage``) where the disk refuses; then nothing has changed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock: BinaryIO | None = None  # a file object: a store that is dropped gives its lock back
        self._settings = Settings()
        self._servers: dict[str, StoredServer] = {}  # by same_name()
        self._secrets: dict[str, ServerSecrets] = {}  # by the server's name
        self._before: _Content | None = None  # while a transaction is open
        self.problems: list[str] = []  # found by load(), for people; no secret

    def __enter__(self) -> Store:
        self.load()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- Loading -----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read everything. Raises UnavailableError where the directory cannot be used or another process has it."""
        self.problems = []
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            file_transaction.recover(self._directory)
            atomic.remove_leftovers(self._directory)
            self._keep_private()
            self._load_files()
        except OSError as error:
            self.close()
            raise _storage_error(error) from error

    def close(self) -> None:
        """Release the directory for another process."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.fdopen(os.open(self._directory / _LOCK_FILE, flags, 0o600), "r+b")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise UnavailableError(f"{self._directory} is in use by another process", code="storage") from None
        self._lock = lock

    def _keep_private(self) -> None:
        for path, mode in ((self._directory, 0o700), (self._directory / secrets_file.FILE, 0o600)):
            if path.exists() and not path.is_symlink() and path.stat().st_mode & 0o077:
                path.chmod(mode)
                self.problems.append(f"{path.name} could be read by other users; it is private again")

    def _load_files(self) -> None:
        servers = self._read(servers_file.FILE, servers_file.decode, (), servers_file.VERSION)
        secrets = self._read(secrets_file.FILE, secrets_file.decode, {}, secrets_file.VERSION)
        settings = self._read(settings_file.FILE, settings_file.decode, Settings(), settings_file.VERSION)
        self._servers = {same_name(s.name): s for s in servers.value}
        self._secrets = secrets.value
        self._settings = settings.value

        for name, found in ((servers_file.FILE, servers), (secrets_file.FILE, secrets), (settings_file.FILE, settings)):
            if not found.present and not found.problems and (self._servers or self._secrets):
                self.problems.append(f"{name} was missing")
        lost = [s.name for s in self._servers.values() if s.name not in self._secrets]
        if lost:
            self.problems.append(f"the keys of these servers are lost, remove and add them again: {', '.join(lost)}")

        self.problems += overlapping(self._settings, self.servers())

        # All files are made at the first start, servers.json first. So where servers.json is whole, a key without a
        # server is the trace of a change that was cut off; where it is not, the keys wait for a repair by hand.
        if servers.whole:
            self._collect_orphans()
        if not servers.present:
            self._replace_file(servers_file.FILE, servers_file.encode(self.servers()))
        if not secrets.present:
            self._replace_file(secrets_file.FILE, secrets_file.encode(self._secrets))
        if not settings.present:
            self._replace_file(settings_file.FILE, settings_file.encode(self._settings))

    def _read(self, name: str, decode: Callable[[bytes], Decoded[T]], default: T, version: int) -> Loaded[T]:
        found = documents.load(self._directory / name, decode, default, version)
        self.problems += found.problems
        return found

    def _replace_file(self, name: str, data: bytes) -> None:
        atomic.write_atomic(self._directory / name, data)

    def _collect_orphans(self) -> None:
        names = {s.name for s in self._servers.values()}
        kept = {name: secret for name, secret in self._secrets.items() if name in names}
        if kept != self._secrets:
            self._replace_file(secrets_file.FILE, secrets_file.encode(kept))
            self._secrets = kept

    # --- Settings ----------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self._settings

    def update_settings(self, change: Callable[[Settings], Settings]) -> Settings:
        """Replace the settings by ``change(settings)`` and return them; nothing is written where they are equal.

        Raises InvalidFieldError where no network could be planned from them, or no backup of them restored.
        """
        if self._before is not None and not _IN_TRANSACTION.get():
            self._update_beside_transaction(change)
        changed = migrated(change(self._settings))
        if changed != self._settings:
            check_change(self._settings, changed, self.servers())
            self._write(settings_file.FILE, lambda: settings_file.encode(changed))
            self._settings = changed
        return changed

    def _update_beside_transaction(self, change: Callable[[Settings], Settings]) -> None:
        """Make another task's change at once; it stays, whatever the outcome of the transaction."""
        assert self._before is not None
        before, servers, secrets = self._before
        changed = migrated(change(before))
        if changed != before:
            check_change(before, changed, tuple(servers.values()))
            try:
                self._replace_file(settings_file.FILE, settings_file.encode(changed))
            except OSError as error:
                raise _storage_error(error) from error
            self._before = (changed, servers, secrets)

    def replace_all(
        self,
        settings: Settings,
        servers: tuple[StoredServer, ...],
        secrets: dict[str, ServerSecrets],
        others: Mapping[str, bytes] | None = None,
    ) -> None:
        """Replace everything, and the files ``others`` beside it, atomically: a crash leaves all old or all new."""
        files = {
            settings_file.FILE: settings_file.encode(settings),
            servers_file.FILE: servers_file.encode(servers),
            secrets_file.FILE: secrets_file.encode(secrets),
            **(others or {}),
        }
        if self._lock is None:
            raise UnavailableError("The store is not open", code="storage")
        try:
            file_transaction.replace_all(self._directory, files)
        except OSError as error:
            raise _storage_error(error) from error
        self._settings = settings
        self._servers = {same_name(s.name): s for s in servers}
        self._secrets = dict(secrets)

    # --- Transactions ------------------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        return self._before is not None

    def begin(self) -> None:
        """Begin a transaction: :meth:`commit` writes this task's changes; a crash before changes nothing."""
        assert self._before is None
        _IN_TRANSACTION.set(True)
        self._before = (self._settings, dict(self._servers), dict(self._secrets))

    def commit(self) -> None:
        """Write the changes atomically. Raises UnavailableError (``storage``); then all is as before :meth:`begin`."""
        assert self._before is not None
        _IN_TRANSACTION.set(False)
        if self._before == (self._settings, self._servers, self._secrets):
            self._before = None
            return
        try:
            self.replace_all(self._settings, self.servers(), self._secrets)
        except UnavailableError:
            self.abort()
            raise
        self._before = None

    def abort(self) -> None:
        """Restore the state before :meth:`begin`, but for the settings that other tasks have changed since."""
        assert self._before is not None
        _IN_TRANSACTION.set(False)
        self._settings, self._servers, self._secrets = self._before
        self._before = None

    # --- Servers -----------------------------------------------------------------------------------------------------

    def servers(self, provider: str | None = None) -> tuple[StoredServer, ...]:
        """The stored servers, of one provider or all, in the order they were added."""
        return tuple(s for s in self._servers.values() if provider is None or s.provider == provider)

    def server(self, name: str) -> StoredServer:
        """The server of exactly this name. Raises NotFoundError."""
        found = self._servers.get(same_name(name))
        if found is None or found.name != unicodedata.normalize("NFC", name):
            raise NotFoundError("There is no custom or imported server of this name", field="name")
        return found

    def holder(self, name: str) -> StoredServer | None:
        """The server that has this name, or one that differs in case only."""
        return self._servers.get(same_name(name))

    def check_name_free(self, name: str) -> None:
        """Check that no server has this name, or one that differs in case only. Raises ConflictError."""
        taken = self.holder(name)
        if taken is not None:
            raise ConflictError(f'There is already a server "{taken.name}" ({taken.provider})', field="name")

    def add_server(self, server: StoredServer, secrets: ServerSecrets) -> None:
        """Store a new server with its keys. Raises ConflictError where the name is in use or the store is full."""
        self.check_name_free(server.name)
        if len(self._servers) >= MAX_SERVERS:
            raise ConflictError(f"There are already {MAX_SERVERS} servers; remove one first", code="too_many")
        all_secrets = {**self._secrets, server.name: secrets}
        all_servers = {**self._servers, same_name(server.name): server}
        self._write(secrets_file.FILE, lambda: secrets_file.encode(all_secrets))
        self._write(servers_file.FILE, lambda: servers_file.encode(tuple(all_servers.values())))
        self._secrets, self._servers = all_secrets, all_servers

    def prove_key(self, public_key: str) -> None:
        """Note that a server has answered this key of the gateway's. Idempotent."""
        proven = {
            name: replace(s, unproven=False) if s.public_key == public_key and s.unproven else s
            for name, s in self._servers.items()
        }
        if proven != self._servers:
            self._write(servers_file.FILE, lambda: servers_file.encode(tuple(proven.values())))
            self._servers = proven

    def remove_server(self, name: str) -> StoredServer:
        """Remove a server and its keys, and return it as it was. Raises NotFoundError."""
        server = self.server(name)
        all_servers = {key: s for key, s in self._servers.items() if s is not server}
        all_secrets = {key: s for key, s in self._secrets.items() if key != server.name}
        self._write(servers_file.FILE, lambda: servers_file.encode(tuple(all_servers.values())))
        self._servers, self._secrets = all_servers, all_secrets
        try:
            self._write(secrets_file.FILE, lambda: secrets_file.encode(all_secrets))
        except (
            UnavailableError
        ):  # the server is gone all the same; its key goes with the next write or at the next load
            self.problems.append(f'the keys of "{server.name}" could not be erased yet')
        return server

    def secrets_for(self, name: str) -> ServerSecrets:
        """The keys of a stored server. Raises NotFoundError (no such server), ConflictError (its keys were lost)."""
        server = self.server(name)
        secrets = self._secrets.get(server.name)
        if secrets is None:
            raise ConflictError(
                f'The keys of "{server.name}" were lost; remove the server and add it again', code="keys_lost"
            )
        return secrets

    def has_secrets(self, name: str) -> bool:
        server = self._servers.get(same_name(name))
        return server is not None and server.name in self._secrets

    def _write(self, name: str, encode: Callable[[], bytes]) -> None:
        """Write what ``encode`` makes, unless a transaction is open: then :meth:`commit` encodes once."""
        if self._lock is None:
            raise UnavailableError("The store is not open", code="storage")
        if self._before is not None:
            return
        try:
            self._replace_file(name, encode())
        except OSError as error:
            raise _storage_error(error) from error


def _storage_error(error: OSError) -> UnavailableError:
    reason = error.strerror or str(error)
    return UnavailableError(f"The settings cannot be stored: {reason}", code="storage")
