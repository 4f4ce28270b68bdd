"""The cache of server lists: the last good one of each provider on disk, or the one that came with the image."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from msgspec import Struct

from app import async_files, atomic, serialization
from app.providers.server_list.relay import RelayList

VERSION = 1


class _Document(Struct, frozen=True):
    version: int
    list: RelayList


class ListCache:
    """``NAME.json`` in the lists' directory. A damaged or missing one falls back to the shipped one."""

    def __init__(self, directory: Path, shipped: Path | None, name: str) -> None:
        self._path = directory / f"{name}.json"
        self._sources = [(self._path, "kept")]
        if shipped is not None:
            self._sources.append((shipped / f"{name}.json", "shipped"))

    async def load(self) -> tuple[RelayList | None, str]:
        """The list, and where it comes from: ``kept``, ``shipped`` or ``none``."""
        for path, source in self._sources:
            with contextlib.suppress(OSError):
                if (found := _decode(await async_files.read(path))) is not None:
                    return found, source
        return None, "none"

    def load_blocking(self) -> tuple[RelayList | None, str]:
        """The same for a caller that cannot wait."""
        for path, source in self._sources:
            with contextlib.suppress(OSError):
                if (found := _decode(atomic.read(path))) is not None:
                    return found, source
        return None, "none"

    async def save(self, relays: RelayList) -> None:
        """Raises OSError; the old one is still there then."""
        await async_files.make_directory(self._path.parent, 0o700)
        await async_files.write_atomic(self._path, encode(relays))


def encode(relays: RelayList) -> bytes:
    """In the form of the files; ``python -m app.providers.bundle_lists`` writes the image's with it."""
    return serialization.encode(_Document(VERSION, relays))


def _decode(data: bytes | None) -> RelayList | None:
    if data is None:
        return None
    try:
        document: _Document = serialization.decode(data, _Document)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return document.list if document.version == VERSION and document.list.relays else None
