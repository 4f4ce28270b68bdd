"""Blocking file calls on an event loop, as Python's audit events (PEP 578) tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_EVENTS = frozenset(
    {"open", "os.chmod", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "glob.glob"}
)
_watched: list[tuple[str, list[str]]] = []  # what to look below, and what was found
_installed: list[bool] = []


@contextlib.contextmanager
def blocking_file_calls(below: Path) -> Iterator[list[str]]:
    """Fills a list with ``event path`` for each call in a thread whose event loop is running, on a path ``below``."""
    if not _installed:
        sys.addaudithook(_hook)  # there is no way to take one away again
        _installed.append(True)
    watch = (f"{below}{os.sep}", [])
    _watched.append(watch)
    try:
        yield watch[1]
    finally:
        _watched.remove(watch)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _watched or event not in _EVENTS or not arguments or asyncio._get_running_loop() is None:
        return
    path = arguments[0]
    if isinstance(path, str | bytes | os.PathLike):
        text = os.fsdecode(path)
        for below, found in _watched:
            if f"{text}{os.sep}".startswith(below):
                found.append(f"{event} {text}")
