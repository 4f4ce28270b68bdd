"""The file ``devices.json``: the devices that were seen, over restarts. It is no part of a backup, and may be lost."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from app import async_files, atomic, serialization
from app.mac_address import is_device
from app.model import SeenDevice
from app.netd.devices.sightings import MAX_SEEN
from app.store.sensitive_values import SEEN

log = logging.getLogger(__name__)

FILE = SEEN
VERSION = 1


class Document(msgspec.Struct, frozen=True):
    version: int
    devices: tuple[SeenDevice, ...]


def load(path: Path) -> tuple[SeenDevice, ...]:
    """The devices; none where the file is missing, damaged or of a later version. At the start, so it may block."""
    try:
        data = atomic.read(path)
        document: Document | None = serialization.decode(data, Document) if data else None
    except (OSError, ValueError) as error:
        log.warning("%s cannot be used: %s", path.name, error)
        return ()
    if document is None or document.version > VERSION:
        return ()
    return tuple(device for device in document.devices if is_device(device.mac))[:MAX_SEEN]


async def save(path: Path, devices: tuple[SeenDevice, ...]) -> None:
    """Replace the file. Raises OSError."""
    await async_files.write_atomic(path, serialization.encode(Document(VERSION, devices)))
