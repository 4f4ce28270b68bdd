"""The commands about servers and the tunnel: connect, choose, add, import."""

from __future__ import annotations

from typing import Literal

from app.model import DEFAULT_EXIT, ServerFilter
from app.protocol.answers import Done, Keypair, ServerList
from app.protocol.command import Command


class Connect(Command[Done], frozen=True, tag="connect"):
    """Bring ``exit`` up on ``server`` of its provider, or of ``provider``; returns once a handshake has completed.

    ``server`` is a host name, a city, a country, ``fastest`` or ``random``; the last two also as ``fastest:Sweden``.
    None = the exit's own target.

    Raises InvalidFieldError (``server``: no target), NotFoundError (no such exit or server), ConflictError (incomplete;
    ``never_used``; ``server_in_use``: another exit uses it with the same key), ConnectTimeoutError (cause in the
    message).
    """

    in_bulk = True

    server: str | None
    exit: str = DEFAULT_EXIT
    provider: str | None = None


class Disconnect(Command[Done], frozen=True, tag="disconnect"):
    """Take ``exit`` down; its devices are blocked from then on. Idempotent."""

    during_bulk = True
    in_bulk = True

    exit: str = DEFAULT_EXIT


class SelectProvider(Command[Done], frozen=True, tag="select_provider"):
    """Make ``provider`` the current one; a running tunnel is left alone. Raises NotFoundError."""

    in_bulk = True

    provider: str


class ListServers(Command[ServerList], frozen=True, tag="list_servers"):
    """The servers of ``provider`` (None = the current one) that ``wanted`` lets through, by ``order``."""

    during_bulk = True

    provider: str | None = None
    wanted: ServerFilter | None = None
    order: Literal["name", "latency", "load", "recent"] = "name"
    limit: int | None = None


class SetFavourite(Command[Done], frozen=True, tag="set_favourite"):
    """Mark or unmark a favourite. Raises NotFoundError (no such server), ConflictError (``too_many``). Idempotent."""

    in_bulk = True

    provider: str
    server: str
    favourite: bool


class AddCustomServer(Command[Done], frozen=True, tag="add_custom_server"):
    """Add a server from its parts, fields as in the API contract (docs/api.md), unparsed.

    Raises InvalidFieldError (names the field), ConflictError (name in use).
    """

    in_bulk = True

    name: str
    endpoint: str
    public_key: str
    private_key: str | None = None
    address: str | None = None
    dns: str | None = None
    allowed_ips: str | None = None
    location: str | None = None
    preshared_key: str | None = None
    mtu: int | None = None
    persistent_keepalive: int | None = None

    def __repr__(self) -> str:
        return f"AddCustomServer({self.name!r})"  # never the keys


class RemoveCustomServer(Command[Done], frozen=True, tag="remove_custom_server"):
    """Remove a custom or imported server and its keys. Raises NotFoundError, ConflictError (in use)."""

    in_bulk = True

    name: str


class ImportConfig(Command[Done], frozen=True, tag="import_config"):
    """Import a .conf; hooks are never run. Raises InvalidFieldError with line, key and reason, ConflictError."""

    in_bulk = True

    name: str
    config: str
    from_file: bool = False  # ``name`` is a file's: it is made to fit, and returned as ``Done.server``
    dry_run: bool = False  # only check: the same answer, and nothing is stored

    def __repr__(self) -> str:
        return f"ImportConfig({self.name!r})"  # never the keys


class GenerateKeypair(Command[Keypair], frozen=True, tag="generate_keypair"):
    """A fresh Curve25519 pair (RFC 7748), not stored anywhere."""

    during_bulk = True
