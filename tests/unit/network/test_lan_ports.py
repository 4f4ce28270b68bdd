"""The LAN's ports outlive netd in a file, which is written on changes only and off the event loop."""

from __future__ import annotations

from pathlib import Path

from app.network.lan_ports import LanPorts
from tests.support.file_calls import blocking_file_calls


async def test_lan_ports_are_recorded_for_the_next_netd(tmp_path: Path) -> None:
    record = tmp_path / "lan-ports"
    lan_ports = LanPorts(record)
    with blocking_file_calls(tmp_path) as found:
        await lan_ports.remember(frozenset({"enx2", "enx1"}))
    assert found == []
    assert record.read_text() == "enx1 enx2"
    assert LanPorts(record).ports == {"enx1", "enx2"}
    record.unlink()
    await lan_ports.remember(frozenset({"enx1", "enx2"}))
    assert not record.exists()


async def test_write_error_loses_only_the_record(tmp_path: Path) -> None:
    lan_ports = LanPorts(tmp_path / "none" / "lan-ports")
    await lan_ports.remember(frozenset({"enx1"}))
    assert lan_ports.ports == {"enx1"}
