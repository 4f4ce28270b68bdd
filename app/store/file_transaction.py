"""A transaction over several files: after a crash at any point all of them are old, or all are new.

1. Each new content is written beside its file (``.staged-NAME``) and synchronised. 2. A list of them is put in place by
one rename: this commits. 3. Each is renamed onto its file, which takes no space and cannot be half done. 4. The
list is removed. :func:`recover` finishes from 3 where the list is there, and otherwise removes what 1 left.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from app import atomic

log = logging.getLogger(__name__)

JOURNAL = "replace.journal"
_PREFIX = ".staged-"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}\.[a-z0-9]{1,10}")


class _Journal(msgspec.Struct, frozen=True):
    version: int
    files: tuple[str, ...]


def replace_all(directory: Path, files: Mapping[str, bytes]) -> None:
    """Replace (or make) every one of ``files``, by name, mode 0600. On OSError nothing has changed.

    A failure after the commit is only logged: :func:`recover` finishes the new files at the next start.
    """
    names = tuple(files)
    if not all(_NAME.fullmatch(name) for name in names):
        raise ValueError("not plain file names")
    try:
        for name, data in files.items():
            _write(directory / f"{_PREFIX}{name}", data)
        atomic.write_atomic(directory / JOURNAL, msgspec.json.encode(_Journal(1, names)))
    except BaseException:
        (directory / JOURNAL).unlink(missing_ok=True)
        _remove_staged(directory)
        raise
    try:
        _finish(directory, names)
    except OSError:
        log.exception("the new files are complete, but could not all be renamed; the next start will")


def recover(directory: Path) -> bool:
    """Finish an interrupted replacement, or remove its traces; True where it was finished. Raises OSError.

    Call it before reading, and again whenever it raised.
    """
    data = atomic.read(directory / JOURNAL)
    if data is None:
        _remove_staged(directory)
        return False
    try:
        names = msgspec.json.decode(data, type=_Journal).files
    except msgspec.DecodeError:
        # Written whole and synchronised, so the medium is failing. Which files are new is unknown.
        atomic.set_aside(directory / JOURNAL)
        return False
    _finish(directory, tuple(name for name in names if _NAME.fullmatch(name)))
    return True


def _finish(directory: Path, names: tuple[str, ...]) -> None:
    for name in names:
        staged = directory / f"{_PREFIX}{name}"
        if staged.exists():
            staged.replace(directory / name)
    atomic.sync_directory(directory)
    (directory / JOURNAL).unlink()
    atomic.sync_directory(directory)


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove_staged(directory: Path) -> None:
    for leftover in directory.glob(f"{_PREFIX}*"):
        leftover.unlink(missing_ok=True)
