"""The report of a full table of connections."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from app.netd import connection_table
from app.netd.connection_table import FILES, watch_connections
from app.protocol.events import SecurityAlert


async def reports(files: Path, counts: list[int], monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is reported while the kernel's table has each of ``counts`` entries at one look after the other."""
    published: list[object] = []
    left = iter(counts)

    async def next_look(_: float) -> None:
        count = next(left, None)
        if count is None:
            raise asyncio.CancelledError
        (files / "nf_conntrack_count").write_text(f"{count}\n")

    monkeypatch.setattr(connection_table.asyncio, "sleep", next_look)
    with contextlib.suppress(asyncio.CancelledError):
        await watch_connections(published.append, files)
    return published


async def test_full_table_is_reported_each_time_that_it_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nf_conntrack_max").write_text("1000\n")
    (tmp_path / "nf_conntrack_count").write_text("0\n")
    found = await reports(tmp_path, [940, 950, 1000, 800, 960, 700, 990], monkeypatch)
    assert [alert.reason for alert in found if isinstance(alert, SecurityAlert)] == ["connections_full"] * 2


async def test_machine_without_the_files_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await reports(tmp_path / "absent", [], monkeypatch) == []


def test_kernel_has_both_files() -> None:
    assert (FILES / "nf_conntrack_max").exists() == (FILES / "nf_conntrack_count").exists()
