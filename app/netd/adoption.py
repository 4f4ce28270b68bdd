"""Tunnels that a restarted netd takes over: their record in the run directory, gone with the boot. No secrets."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from app import serialization
from app.atomic import write_atomic
from app.model import Settings
from app.network.plan import exit_interface
from app.network.wireguard.types import WireGuardBackend
from app.tunnel.handshake import peer_of
from app.tunnel.states import Connected, State


class Runtime(Struct, frozen=True):
    connected: dict[str, Connected] = field(default_factory=dict)  # by exit


class AdoptionRecord:
    """The tunnels that are up, kept in ``path`` for the next netd."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False
        self.ran_before = path.exists()  # a netd of this boot: /run is empty after a start of the machine

    def save(self, states: Mapping[str, State]) -> None:
        """Only adoption suffers where it cannot be written."""
        if self._closed:
            return
        connected = {n: s for n, s in states.items() if isinstance(s, Connected) and s.candidate is None}
        with contextlib.suppress(OSError):
            write_atomic(self._path, serialization.encode(Runtime(connected)))

    def close(self) -> None:
        """Leave nothing to adopt, for good: the next process begins with other settings."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def adoptable(self, backend: WireGuardBackend, settings: Settings) -> dict[str, Connected]:
        """Tunnels that run already, as the last netd left them, whose peer still has a session."""
        found: dict[str, Connected] = {}
        existing = await backend.names()
        recorded = self._load().connected
        for index, name in enumerate(settings.exits):
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

    def _load(self) -> Runtime:
        """The last record, or an empty one: without it tunnels are made anew, which is slower but as safe."""
        try:
            return serialization.decode(self._path.read_bytes(), Runtime)
        except (OSError, msgspec.DecodeError):
            return Runtime()
