"""The ports that were found to be the LAN's, remembered while the WAN is away.

A port joins the LAN's bridge only when it is known which one is the WAN. Once that was known and the WAN's adapter is
pulled out, the LAN's ports are still the LAN's; a port that appears meanwhile is not, for it may be the WAN.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from app import async_files


class Joined:
    """``record`` outlives netd but not the machine's restart, at which cables may have been changed."""

    def __init__(self, record: Path) -> None:
        self._record = record
        try:
            self.ports = frozenset(record.read_text().split())
        except OSError:
            self.ports = frozenset()

    async def remember(self, ports: frozenset[str]) -> None:
        if self.ports != ports:
            self.ports = ports
            with contextlib.suppress(OSError):  # then only a restart of netd without a WAN finds none
                await async_files.write_atomic(self._record, " ".join(sorted(ports)).encode())
