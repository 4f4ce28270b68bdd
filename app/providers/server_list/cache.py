"""The cache of server lists: the last good one of each provider on disk, or the one that came with the image."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from app import atomic, serialization
from app.providers.server_list.relay import RelayList

VERSION = 1


class _Document(Struct, frozen=True):
    version: int
    list: RelayList


class ListCache:
    """``NAME.json`` in the lists' directory. A damaged or missing one falls back to the shipped one."""

    def __init__(self, directory: Path, shipped: Path | None, name: str) -> None:
        self._path = directory / f"{name}.json"
        self._shipped = shipped / f"{name}.json" if shipped is not None else None

    def load(self) -> tuple[RelayList | None, str]:
        """The list, and where it comes from: ``kept``, ``shipped`` or ``none``."""
        for path, source in ((self._path, "kept"), (self._shipped, "shipped")):
            if path is None:
                continue
            found = _read(path)
            if found is not None:
                return found, source
        return None, "none"

    def save(self, relays: RelayList) -> None:
        """Raises OSError; the old one is still there then."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic.write_atomic(self._path, encode(relays))


def encode(relays: RelayList) -> bytes:
    """In the form of the files; ``python -m app.providers.bundle_lists`` writes the image's with it."""
    return serialization.encode(_Document(VERSION, relays))


def _read(path: Path) -> RelayList | None:
    try:
        data = atomic.read(path)
        if data is None:
            return None
        document: _Document = serialization.decode(data, _Document)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None
    return document.list if document.version == VERSION and document.list.relays else None
