"""The FAT partition, which any computer can write: its files, a report on it, the removal of secrets."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from app.filenames import is_clutter, is_config
from app.firstboot import programs

CONFIG = "gateway.toml"
CONFIG_TXT = "gateway.toml.txt"  # editors of Windows and macOS may add the ending and hide it
UNFINISHED = ".new"  # appended to the name while a file is replaced
REPORT = "gateway-report.txt"
FOREIGN = frozenset({"wpa_supplicant.conf"})  # other systems': Raspberry Pi OS knows this one
LIMIT = 256 * 1024  # bytes of a configuration


class Fat:
    """The partition at ``directory``, mounted read-only; :meth:`writable` makes it writable for a moment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def entries(self) -> list[Path]:
        """Its files and directories, without those that operating systems add on their own. Raises OSError."""
        return sorted(e for e in self.directory.iterdir() if not is_clutter(e.name))

    def find(self, name: str) -> Path | None:
        """The file called ``name``, if it exists. As on FAT, case does not matter. Raises OSError."""
        return next((e for e in self.entries() if e.name.lower() == name and e.is_file()), None)

    def settings(self) -> Path | None:
        """The file that holds the settings. Raises OSError.

        The last two names are left by a power cut while the secrets are removed from the first two, which may still
        exist and be overwritten with zeros.
        """
        names = (CONFIG, CONFIG_TXT, CONFIG + UNFINISHED, CONFIG_TXT + UNFINISHED)
        found = [path for name in names if (path := self.find(name)) is not None]
        whole = (path for path in found if len(found) == 1 or not is_overwritten(read(path)))
        return next(whole, found[0] if found else None)

    def importable(self) -> list[Path]:
        """The .conf files and zips of them that were dropped beside gateway.toml."""
        if not self.directory.is_dir():
            return []
        return [e for e in self.entries() if (is_vpn_config(e.name) or is_archive(e.name)) and e.is_file()]

    @contextlib.contextmanager
    def writable(self) -> Generator[None]:
        """Mount it writable, for one process at a time. Not to be nested."""
        with self._locked():
            mounted = os.path.ismount(self.directory)
            if mounted:
                programs.run("mount", "-o", "remount,rw", str(self.directory))
            try:
                yield
            finally:
                if mounted:
                    os.sync()
                    programs.run("mount", "-o", "remount,ro", str(self.directory))

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def replace(self, path: Path, text: str) -> None:
        """Replace ``path`` by ``text``. The old content is overwritten first: it may contain a secret."""
        new = path.with_name(path.name + UNFINISHED)
        new.write_text(text, encoding="utf-8")
        _sync(new)
        self.remove(path)
        self.finish(new)

    def finish(self, new: Path) -> Path:
        """Rename the new file of :meth:`replace` to its final name, also after a power cut."""
        return new.rename(new.with_name(new.name.removesuffix(UNFINISHED)))

    def remove(self, path: Path) -> None:
        overwrite(path)
        path.unlink()


def is_vpn_config(name: str) -> bool:
    return is_config(name) and name.lower() not in FOREIGN


def is_archive(name: str) -> bool:
    return name.lower().endswith(".zip")


def read(path: Path, limit: int = LIMIT) -> bytes | None:
    """The file's content, or None where it is longer than ``limit`` bytes. Raises OSError."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def is_overwritten(data: bytes | None) -> bool:
    """Whether ``data`` is that of an overwritten file, which an earlier start did not remove any more."""
    return bool(data) and not data.strip(b"\0")


def overwrite(path: Path) -> None:
    """Overwrite the content with zeros. A card's wear levelling may keep a copy, which no program can prevent."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
