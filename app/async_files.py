"""Files from async code: every call goes through aiofiles, so that a slow disk never stops the event loop.

Each call is one step in a thread, from opening the file to its last fsync. A task that is cancelled meanwhile leaves
no open file and no temporary one behind, and nothing half written.

The threads are those of asyncio's own pool, four more than there are processors, and one for the writes: nine on a Pi,
which take less than 1 MB together.

Three kinds of files are read and written in place all the same, with :mod:`app.atomic`: what a process reads before its
loop has anything else to do; what lies in ``/proc``, ``/sys`` and ``/run``, which is memory and no disk, where code has
no other reason to wait; and the state that :class:`app.store.Store` keeps, which says why.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiofiles.os

from app import atomic

# One thread for all writes: they reach the disk in the order in which they were begun, also where the task that began
# one was cancelled before its end. It is started by the first write.
_writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="file writer")

_read = aiofiles.os.wrap(atomic.read)
_read_text = aiofiles.os.wrap(Path.read_text)
_write_atomic = aiofiles.os.wrap(atomic.write_atomic)


async def read(path: Path) -> bytes | None:
    """The content of ``path``, or None where it does not exist; raises as :func:`app.atomic.read` does."""
    return await _read(path)


async def read_text(path: Path) -> str:
    """The text of ``path``, with a stand-in for what is not UTF-8. Raises OSError."""
    return await _read_text(path, encoding="utf-8", errors="replace")


async def exists(path: Path) -> bool:
    return await aiofiles.os.path.exists(path)


async def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data``; it is on the disk when this returns. On OSError the old content is still there."""
    await _write_atomic(path, data, mode, executor=_writer)


async def make_directory(path: Path, mode: int) -> None:
    """Make ``path`` and what is missing above it. Raises OSError."""
    await aiofiles.os.makedirs(path, mode, exist_ok=True)


async def remove(path: Path) -> None:
    """Remove the file; one that is not there is no error. Raises OSError."""
    try:
        await aiofiles.os.unlink(path)
    except FileNotFoundError:
        pass
