"""File access for async code: a slow disk, a cancelled task, the order of writes."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import async_files, atomic
from tests.support.file_calls import blocking_file_calls


class SlowDisk:
    """A disk whose first fsync ends when :attr:`ready` is set."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ready = threading.Event()
        self.ended = 0
        self._fsync = os.fsync

    def fsync(self, descriptor: int) -> None:
        if not self.begun.is_set():
            self.begun.set()
            assert self.ready.wait(20), "the event loop stood still with the disk"
        self._fsync(descriptor)
        self.ended += 1


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    made = SlowDisk()
    monkeypatch.setattr(os, "fsync", made.fsync)
    yield made
    made.ready.set()


async def begun(disk: SlowDisk) -> None:
    assert await asyncio.to_thread(disk.begun.wait, 20)


async def test_loop_is_not_blocked_by_a_slow_disk(tmp_path: Path, disk: SlowDisk) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    writing = asyncio.create_task(async_files.write_atomic(path, b"new"))
    await begun(disk)
    assert await async_files.read(path) == b"old"  # reading has threads of its own
    assert not writing.done()
    disk.ready.set()
    await writing
    assert await async_files.read(path) == b"new"


async def test_cancelled_write_is_whole_and_precedes_the_next(tmp_path: Path, disk: SlowDisk) -> None:
    path = tmp_path / "file"
    first = asyncio.create_task(async_files.write_atomic(path, b"first"))
    await begun(disk)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(async_files.write_atomic(path, b"second"))
    await asyncio.wait({second}, timeout=0.2)  # it would be done by now if it had not to wait for the first
    disk.ready.set()
    await second
    while disk.ended < 4:  # of each write the file and the directory
        await asyncio.sleep(0.001)
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["file"]


async def test_writes_reach_the_disk_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "file"
    await asyncio.gather(*(async_files.write_atomic(path, str(n).encode()) for n in range(50)))
    assert path.read_bytes() == b"49"


async def test_a_write_is_durable_private_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synchronised.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    await async_files.write_atomic(tmp_path / "file", b"secret")
    assert synchronised == [False, True]  # the file, and then the directory that names it
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    await async_files.write_atomic(tmp_path / "file", b"public", 0o644)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


async def test_write_error_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    await async_files.write_atomic(path, b"old")

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        await async_files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


async def test_reading_a_missing_file_returns_none_or_raises(tmp_path: Path) -> None:
    assert await async_files.read(tmp_path / "none") is None
    assert not await async_files.exists(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        await async_files.read_text(tmp_path / "none")
    (tmp_path / "link").symlink_to(tmp_path / "none")
    with pytest.raises(OSError, match="symbolic links"):
        await async_files.read(tmp_path / "link")
    (tmp_path / "text").write_bytes(b"caf\xe9")
    assert await async_files.read_text(tmp_path / "text") == "caf\ufffd"
    await async_files.remove(tmp_path / "text")
    await async_files.remove(tmp_path / "text")
    await async_files.make_directory(tmp_path / "a" / "b", 0o700)
    await async_files.make_directory(tmp_path / "a" / "b", 0o700)
    assert await async_files.exists(tmp_path / "a" / "b")


async def test_no_call_is_made_on_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    with blocking_file_calls(tmp_path) as found:
        await async_files.make_directory(path.parent, 0o700)
        await async_files.write_atomic(path, b"text")
        await async_files.read(path)
        await async_files.read_text(path)
        await async_files.remove(path)
    assert found == []
    with blocking_file_calls(tmp_path) as found:  # and one that is would be noticed
        atomic.write_atomic(path, b"text")
        atomic.read(path)
    assert [call.split()[0] for call in found] == ["open", "os.rename", "open", "open"]
