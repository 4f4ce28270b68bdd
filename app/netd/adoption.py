"""The record of running tunnels, from which a restarted netd adopts them.

It lies in the run directory, so that it ends with the boot, and holds no secrets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from app import serialization
from app.atomic import write_atomic
from app.exit_settings import numbered
from app.model import Settings
from app.network.plan import exit_interface
from app.network.wireguard.types import WireGuardBackend
from app.tunnel.handshake import peer_of
from app.tunnel.states import Connected, State


class RecordedTunnels(Struct, frozen=True):
    connected: dict[str, Connected] = field(default_factory=dict)  # by exit


class AdoptionRecord:
    """The tunnels that are up are written to ``path`` for the next netd."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False
        self.ran_before = path.exists()  # whether netd has run in this boot: /run is empty after a reboot

    def save(self, states: Mapping[str, State]) -> None:
        """Write the connected tunnels. A failure is ignored: it costs the adoption alone."""
        if self._closed:
            return
        connected = {
            n: msgspec.structs.replace(s, candidate=None) for n, s in states.items() if isinstance(s, Connected)
        }
        with contextlib.suppress(OSError):
            write_atomic(self._path, serialization.encode(RecordedTunnels(connected)))

    def close(self) -> None:
        """Remove the record and write no other: the next process begins with other settings."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def adoptable(self, backend: WireGuardBackend, settings: Settings) -> dict[str, Connected]:
        """The tunnels, by exit, that still run as the last netd left them and whose peer has a session."""
        found: dict[str, Connected] = {}
        existing = await backend.names()
        recorded = self._load().connected
        for index, name in numbered(settings):
            record = recorded.get(name)
            if record is None or settings.desired.get(name) != str(record.tunnel.target):
                continue
            interface = exit_interface(index, record.tunnel.slot)
            if interface not in existing:
                continue
            peer = peer_of(await backend.stats(interface), record.tunnel.peer_key)
            if peer is not None and peer.latest_handshake is not None:
                found[name] = msgspec.structs.replace(record, candidate=None)
        return found

    def _load(self) -> RecordedTunnels:
        """The last record, or an empty one: without it tunnels are set up again, which is slower but equally safe."""
        try:
            return serialization.decode(self._path.read_bytes(), RecordedTunnels)
        except (OSError, msgspec.DecodeError):
            return RecordedTunnels()
