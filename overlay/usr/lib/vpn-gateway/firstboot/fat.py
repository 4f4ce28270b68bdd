"""The FAT partition, which any computer can write: read it, put a report there, take secrets off it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

CONFIG = "gateway.toml"
REPORT = "gateway-report.txt"
LIMIT = 256 * 1024  # bytes: more than that is no configuration


class Fat:
    """``directory`` is mounted read-only; :meth:`writable` makes it writable for as long as it takes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def find(self, name: str) -> Path | None:
        """The file called ``name``, if there is one. FAT knows no case, so neither do we."""
        return next((e for e in sorted(self.directory.iterdir()) if e.name.lower() == name and e.is_file()), None)

    def read(self, name: str) -> bytes | None:
        """The file's content, or as much as shows that it is too long; None where there is none."""
        path = self.find(name)
        if path is None:
            return None
        with path.open("rb") as file:
            return file.read(LIMIT + 1)

    def configs(self) -> list[Path]:
        """The .conf files that were dropped beside gateway.toml."""
        if not self.directory.is_dir():
            return []
        return sorted(e for e in self.directory.iterdir() if e.suffix.lower() == ".conf" and e.is_file())

    @contextlib.contextmanager
    def writable(self) -> Iterator[None]:
        """Not to be entered twice; another part of the set-up, which would make it read-only meanwhile, waits."""
        with _alone(self.directory), self._remounted():
            yield

    @contextlib.contextmanager
    def _remounted(self) -> Iterator[None]:
        mounted = os.path.ismount(self.directory)
        if mounted:
            subprocess.run(["mount", "-o", "remount,rw", str(self.directory)], check=True)
        try:
            yield
        finally:
            if mounted:
                os.sync()
                subprocess.run(["mount", "-o", "remount,ro", str(self.directory)], check=True)

    def replace(self, name: str, text: str) -> None:
        """Put ``text`` where ``name`` is. The old content is overwritten first: it may hold a secret."""
        new = self.directory / f"{name}.new"
        new.write_text(text)
        _sync(new)
        for entry in list(self.directory.iterdir()):
            if entry.name.lower() == name:
                self.remove(entry)
        new.rename(self.directory / name)

    def remove(self, path: Path) -> None:
        overwrite(path)
        path.unlink()


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def overwrite(path: Path) -> None:
    """Zeros over the content. A card's wear levelling may keep a copy; no file system can do more than this."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
