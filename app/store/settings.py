"""``settings.json``: one versioned document that holds :class:`app.model.Settings`."""

from __future__ import annotations

import msgspec

from app import codec
from app.model import Settings
from app.store.documents import Decoded

FILE = "settings.json"
VERSION = 1


class Document(msgspec.Struct, frozen=True):
    version: int
    settings: Settings


def encode(settings: Settings) -> bytes:
    return codec.encode(Document(version=VERSION, settings=settings))


def decode(data: bytes) -> Decoded[Settings]:
    """Raises ValueError, of which msgspec's errors are subclasses, where the file is damaged.

    Fields that a newer version added are passed over, so that a rollback to this version keeps the rest.
    """
    document: Document = codec.decode(data, Document)
    return Decoded(document.settings, document.version)
