"""Atomic file writes: after a crash a file has its complete old or new content (rename(2), fsync(2))."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_TEMPORARY_PREFIX = ".new-"
_MAX_BYTES = 32 * 1024 * 1024


def sync_directory(directory: Path) -> None:
    """Make renames and removals within ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data``. On OSError the old content is still there.

    The temporary file is 0600 until all bytes are in it, and in the same directory, so that the rename is atomic.
    """
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files of interrupted writes."""
    for leftover in directory.glob(f"{_TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


def read(path: Path) -> bytes | None:
    """The content of ``path``; None where it does not exist. Raises OSError, also for a link or a special file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(f"{path.name} is larger than {_MAX_BYTES} bytes")
    return data


def set_aside(path: Path) -> Path | None:
    """Rename a damaged file to ``NAME.bad``, replacing an older one; None where even that fails."""
    target = path.with_name(f"{path.name}.bad")
    try:
        path.replace(target)
        sync_directory(path.parent)
    except OSError:
        return None
    return target
