"""The LAN's ports as they were when the WAN was last known.

A port joins the LAN's bridge only while the WAN is known. When the WAN's adapter is pulled out afterwards, the LAN
keeps its ports; a port that appears before the WAN is back does not join, because it may be the WAN.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from app import async_files


class LanPorts:
    """The remembered ports. The file ``record`` outlives netd but not a restart, during which cables may be changed."""

    def __init__(self, record: Path) -> None:
        self._record = record
        try:
            self.ports = frozenset(record.read_text().split())
        except OSError:
            self.ports = frozenset()

    async def remember(self, ports: frozenset[str]) -> None:
        if self.ports != ports:
            self.ports = ports
            with contextlib.suppress(OSError):  # matters only if netd restarts without a WAN
                await async_files.write_atomic(self._record, " ".join(sorted(ports)).encode())
