"""File access for async code, through aiofiles, so that a slow disk never blocks the event loop.

Each call runs in a thread from opening the file to its last fsync. A task that is cancelled during it leaves no open
file, no temporary file and nothing half written.

The threads are those of asyncio's own pool, four more than there are processors, and one for the writes: nine on a Pi,
which take less than 1 MB together.

Three kinds of files are accessed synchronously, with :mod:`app.atomic`: files that a process reads before its loop has
other work; files in ``/proc``, ``/sys`` and ``/run``, which are memory, in code that is otherwise synchronous; and the
state of :class:`app.store.Store`, which says why.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiofiles.os

from app import atomic

# One thread for all writes: they reach the disk in the order in which they were started, also where a task was
# cancelled during its write. The first write starts the thread.
_writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="file writer")

_read = aiofiles.os.wrap(atomic.read)
_read_text = aiofiles.os.wrap(Path.read_text)
_write_atomic = aiofiles.os.wrap(atomic.write_atomic)


async def read(path: Path) -> bytes | None:
    """The content of ``path``, or None where it does not exist; raises as :func:`app.atomic.read` does."""
    return await _read(path)


async def read_text(path: Path) -> str:
    """The text of ``path``, with U+FFFD for what is not UTF-8. Raises OSError."""
    return await _read_text(path, encoding="utf-8", errors="replace")


async def exists(path: Path) -> bool:
    return await aiofiles.os.path.exists(path)


async def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data``; it is on the disk when this returns. On OSError the old content is still there."""
    await _write_atomic(path, data, mode, executor=_writer)


async def make_directory(path: Path, mode: int) -> None:
    """Create ``path`` and its missing parents. Raises OSError."""
    await aiofiles.os.makedirs(path, mode, exist_ok=True)


async def remove(path: Path) -> None:
    """Remove the file, if it exists. Raises OSError."""
    try:
        await aiofiles.os.unlink(path)
    except FileNotFoundError:
        pass
