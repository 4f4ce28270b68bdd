"""Writes to a file, noticed as they happen (inotify(7))."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

from asyncinotify import Inotify, Mask

NextWrite = Callable[[], Awaitable[None]]


@contextlib.contextmanager
def watch_writes(path: Path, longest: float) -> Generator[NextWrite]:
    """A function that waits for the next write to ``path``, or for ``longest`` seconds.

    The file need not exist yet: its directory is watched, which must. Raises OSError.
    """
    with Inotify() as inotify:
        inotify.add_watch(path.parent, Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO)

        async def next_write() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(longest):
                    while (await inotify.get()).name != Path(path.name):
                        pass

        yield next_write
