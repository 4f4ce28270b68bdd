"""The file ``servers.json``: custom and imported servers without their keys, which :mod:`app.store.secrets` holds."""

from __future__ import annotations

import unicodedata

import msgspec
from msgspec.structs import replace

from app import keys, serialization
from app.model import ServerSecrets, StoredServer, TunnelConfig
from app.store.documents import Decoded

FILE = "servers.json"
VERSION = 1


class Document(msgspec.Struct, frozen=True):
    version: int
    servers: tuple[msgspec.Raw, ...]


class _Written(msgspec.Struct, frozen=True):
    version: int
    servers: tuple[StoredServer, ...]


def encode(servers: tuple[StoredServer, ...]) -> bytes:
    return serialization.encode(_Written(version=VERSION, servers=servers))


def decode(data: bytes) -> Decoded[tuple[StoredServer, ...]]:
    """The servers; ``damaged`` numbers damaged entries from 1. Raises ValueError where the whole file is damaged."""
    document: Document = serialization.decode(data, Document)
    servers: dict[str, StoredServer] = {}
    damaged: list[str] = []
    for place, raw in enumerate(document.servers, 1):
        try:
            server: StoredServer = serialization.decode(bytes(raw), StoredServer)
        except ValueError:
            damaged.append(f"entry {place}")
            continue
        if servers.setdefault(same_name(server.name), server) is not server:
            damaged.append(f"entry {place}")
    return Decoded(tuple(servers.values()), document.version, tuple(damaged))


def same_name(name: str) -> str:
    """The form of ``name`` that is compared: without case and compatibility forms, which people overlook."""
    return unicodedata.normalize("NFKC", name).casefold()


def split_secrets(
    config: TunnelConfig,
    *,
    name: str,
    provider: str,
    location: str | None,
    added: float,
    warnings: tuple[str, ...],
    service: str | None = None,
) -> tuple[StoredServer, ServerSecrets]:
    """``config`` split into the part that may be shown and its secrets."""
    preshared = {p.public_key: p.preshared_key for p in config.peers if p.preshared_key is not None}
    stored = StoredServer(
        name=name,
        provider=provider,
        peers=tuple(replace(p, preshared_key=None) for p in config.peers),
        addresses=config.addresses,
        dns=config.dns,
        mtu=config.mtu,
        listen_port=config.listen_port,
        public_key=keys.public_key(config.private_key),
        location=location,
        added=added,
        warnings=warnings,
        service=service,
        unproven=True,
    )
    return stored, ServerSecrets(private_key=config.private_key, preshared_keys=preshared)


def join_secrets(server: StoredServer, secrets: ServerSecrets) -> TunnelConfig:
    """The inverse of :func:`split_secrets`."""
    return TunnelConfig(
        private_key=secrets.private_key,
        addresses=server.addresses,
        peers=tuple(replace(p, preshared_key=secrets.preshared_keys.get(p.public_key)) for p in server.peers),
        dns=server.dns,
        mtu=server.mtu,
        listen_port=server.listen_port,
    )
