"""The report of a full table of connections."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from app.netd import connection_table
from app.netd.connection_table import FILES, watch_connections
from app.protocol.events import SecurityAlert


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_table, "POLL_INTERVAL", 0)


async def reports(files: Path, counts: list[str]) -> list[object]:
    """What is reported while the kernel's file has each of ``counts`` in turn, for several looks."""
    published: list[object] = []
    task = asyncio.create_task(watch_connections(published.append, files))
    for count in counts:
        (files / "nf_conntrack_count").write_text(count)
        for _ in range(3):
            await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return published


async def test_full_table_is_reported_each_time_that_it_fills(tmp_path: Path) -> None:
    (tmp_path / "nf_conntrack_max").write_text("1000\n")
    (tmp_path / "nf_conntrack_count").write_text("0\n")
    found = await reports(tmp_path, ["940\n", "950\n", "1000\n", "800\n", "960\n", "700\n", "990\n"])
    assert [alert.reason for alert in found if isinstance(alert, SecurityAlert)] == ["connections_full"] * 2


async def test_machine_without_the_files_reports_nothing(tmp_path: Path) -> None:
    assert await reports(tmp_path / "absent", []) == []


def test_kernel_has_both_files() -> None:
    assert (FILES / "nf_conntrack_max").exists() == (FILES / "nf_conntrack_count").exists()
