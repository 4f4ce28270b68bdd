"""The file ``secrets.json`` (0600): the private and preshared keys of stored servers, by server name."""

from __future__ import annotations

import msgspec

from app import keys, serialization
from app.model import ServerSecrets
from app.store.documents import Decoded

FILE = "secrets.json"
VERSION = 1


class Document(msgspec.Struct, frozen=True):
    version: int
    secrets: dict[str, msgspec.Raw]


class _Written(msgspec.Struct, frozen=True):
    version: int
    secrets: dict[str, ServerSecrets]


def encode(secrets: dict[str, ServerSecrets]) -> bytes:
    return serialization.encode(_Written(version=VERSION, secrets=secrets), secrets=True)


def decode(data: bytes) -> Decoded[dict[str, ServerSecrets]]:
    """The keys; ``damaged`` names servers with a damaged entry. Raises ValueError where the whole file is damaged."""
    document: Document = serialization.decode(data, Document)
    secrets: dict[str, ServerSecrets] = {}
    damaged: list[str] = []
    for name, raw in document.secrets.items():
        try:
            entry: ServerSecrets = serialization.decode(bytes(raw), ServerSecrets)
            for key in (entry.private_key, *entry.preshared_keys.values()):
                keys.decode_key(key.reveal())
        except ValueError:
            damaged.append(name)
        else:
            secrets[name] = entry
    return Decoded(secrets, document.version, tuple(damaged))
