"""The file ``accounts.json`` (0600): the accounts at providers, with the keys registered there for this gateway.

The file lies beside the store's own files and is written atomically and synchronously too (:mod:`app.store.state` says
why). It is never shown; the provider makes the public view of an account (:class:`app.providers.base.AccountStatus`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, field

from app import atomic, keys, serialization
from app.addresses import Address, Interface
from app.errors import UnavailableError
from app.model import Secret
from app.store import documents
from app.store.documents import Decoded

FILE = "accounts.json"
VERSION = 1


class Account(Struct, frozen=True, omit_defaults=True):
    """One provider's account here. Times are Unix times; 0 = not known."""

    credentials: dict[str, Secret]  # by the form's field
    private_key: Secret | None = None
    addresses: tuple[Interface, ...] = ()  # of the tunnel, as the provider gave them
    dns: tuple[Address, ...] = ()
    device_id: str | None = None
    device_name: str | None = None
    key_created: float = 0.0
    key_expires: float = 0.0
    pending_key: Secret | None = None  # of a rotation under way: the provider may know it already
    retired: tuple[str, ...] = ()  # devices of older keys, to be removed once nothing uses them
    token: Secret | None = None
    token_expires: float = 0.0
    expires: float = 0.0  # the account itself
    max_devices: int = 0
    checked: float = 0.0  # when the provider was last asked about the account
    unproven: bool = False  # set by a sign-in, until a server has answered its key; kept over rotations
    problem: str | None = None  # the code of the error at that check
    replaced: Account | None = None  # the previous account: signed out at the provider once no tunnel uses it
    extra: dict[str, Secret] = field(default_factory=dict)  # values that only this provider has
    from_file: str | None = None  # the imported server whose key this is; None = signed in
    preshared_key: Secret | None = None  # with all of the provider's servers


class _Document(Struct, frozen=True):
    version: int
    accounts: dict[str, msgspec.Raw]


class _Written(Struct, frozen=True):
    version: int
    accounts: dict[str, Account]


def encode(accounts: dict[str, Account]) -> bytes:
    return serialization.encode(_Written(VERSION, accounts), secrets=True)


def decode(data: bytes) -> Decoded[dict[str, Account]]:
    """The accounts; ``damaged`` names providers with a damaged entry. Raises ValueError (the whole file is damaged)."""
    document: _Document = serialization.decode(data, _Document)
    accounts: dict[str, Account] = {}
    damaged: list[str] = []
    for name, raw in document.accounts.items():
        try:
            account: Account = serialization.decode(bytes(raw), Account)
            older = account.replaced
            for key in (
                account.private_key,
                account.pending_key,
                account.preshared_key,
                *((older.private_key, older.pending_key) if older is not None else ()),
            ):
                if key is not None:
                    keys.decode_key(key.reveal())
        except (ValueError, RecursionError):
            damaged.append(name)
        else:
            accounts[name] = account
    return Decoded(accounts, document.version, tuple(damaged))


class Accounts:
    """The accounts in ``directory``, which :class:`app.store.Store` has made and locked. Call :meth:`load` first."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._accounts: dict[str, Account] = {}
        self._closed = False
        self.problems: list[str] = []  # found by load(), for people; no secret

    def close(self) -> None:
        """Refuse further writes: a restore has replaced the file."""
        self._closed = True

    def load(self) -> None:
        """Read the file, also again after a restore. Raises UnavailableError where the disk refuses."""
        self.problems = []
        try:
            if self._path.exists() and not self._path.is_symlink() and self._path.stat().st_mode & 0o077:
                self._path.chmod(0o600)
                self.problems.append(f"{FILE} could be read by other users; it is private again")
            found = documents.load(self._path, decode, {}, VERSION)
        except OSError as error:
            raise _storage_error(error) from error
        self._accounts = dict(found.value)
        self.problems += found.problems

    def get(self, provider: str) -> Account | None:
        return self._accounts.get(provider)

    def put(self, provider: str, account: Account) -> None:
        """Store an account. Raises UnavailableError (``storage``); then the old one is still there."""
        self._write({**self._accounts, provider: account})

    def remove(self, provider: str) -> None:
        """Remove an account. Idempotent. Raises UnavailableError (``storage``)."""
        if provider in self._accounts:
            self._write({name: account for name, account in self._accounts.items() if name != provider})

    def _write(self, accounts: dict[str, Account]) -> None:
        if self._closed:
            raise UnavailableError("The accounts are closed", code="storage")
        try:
            atomic.write_atomic(self._path, encode(accounts))
        except OSError as error:
            raise _storage_error(error) from error
        self._accounts = accounts


def _storage_error(error: OSError) -> UnavailableError:
    return UnavailableError(f"The account cannot be stored: {error.strerror or error}", code="storage")
