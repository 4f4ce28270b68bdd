"""The cache of server lists: the last valid list of each provider on disk, or the one from the image."""

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
    """Reads and writes ``NAME.json`` in the lists' directory. The shipped list replaces a damaged or missing one."""

    def __init__(self, directory: Path, shipped: Path | None, name: str) -> None:
        self._path = directory / f"{name}.json"
        self._sources = [(self._path, "kept")]
        if shipped is not None:
            self._sources.append((shipped / f"{name}.json", "shipped"))

    async def load(self) -> tuple[RelayList | None, str]:
        """The list and its origin: ``kept``, ``shipped`` or ``none``."""
        for path, source in self._sources:
            with contextlib.suppress(OSError):
                if (found := _decode(await async_files.read(path))) is not None:
                    return found, source
        return None, "none"

    def load_blocking(self) -> tuple[RelayList | None, str]:
        """The same without awaiting, for callers that cannot."""
        for path, source in self._sources:
            with contextlib.suppress(OSError):
                if (found := _decode(atomic.read(path))) is not None:
                    return found, source
        return None, "none"

    async def save(self, relays: RelayList) -> None:
        """Write the list. Raises OSError, with the old list unchanged."""
        await async_files.make_directory(self._path.parent, 0o700)
        await async_files.write_atomic(self._path, encode(relays))


def encode(relays: RelayList) -> bytes:
    """The list in the file format; ``python -m app.providers.bundle_lists`` writes the image's files with it."""
    return serialization.encode(_Document(VERSION, relays))


def _decode(data: bytes | None) -> RelayList | None:
    if data is None:
        return None
    try:
        document: _Document = serialization.decode(data, _Document)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return document.list if document.version == VERSION and document.list.relays else None
