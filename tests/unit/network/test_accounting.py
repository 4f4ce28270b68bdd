"""The calls of nft by the accounting, with an nft that hangs, is cancelled or is missing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from app.errors import KernelError
from app.network import nft
from app.network.accounting import Accounting


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch):
    """An nft that never ends; the directory in which each run creates a file named by its process id."""
    (tmp_path / "ran").mkdir()
    program = tmp_path / "nft"
    program.write_text(f"#!/bin/sh\n: > {tmp_path}/ran/$$\nexec /bin/sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "ran"


async def begun(folder: Path, count: int) -> list[int]:
    async with asyncio.timeout(5):
        while len(found := list(folder.iterdir())) < count:
            await asyncio.sleep(0.005)
    return [int(path.name) for path in found]


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


async def test_nft_that_does_not_finish_is_killed(stuck, monkeypatch):
    monkeypatch.setattr(nft, "TIMEOUT", 0.5)
    async with asyncio.timeout(5):
        with pytest.raises(KernelError, match="did not finish"):
            await Accounting(flowtable=False).read(("default",))
    assert running(await begun(stuck, 2)) == []


async def test_nft_of_a_cancelled_reading_is_killed(stuck):
    reading = asyncio.create_task(Accounting(flowtable=False).read(("default",)))
    pids = await begun(stuck, 2)
    assert running(pids) == pids
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert running(pids) == []


async def test_missing_nft_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KernelError, match="cannot be run"):
        await Accounting(flowtable=False).remove()
