"""The WireGuard end of a Mullvad relay: it has a registered peer or that peer's ephemeral one loaded, never both.

A handshake by the one unloads the other, as ``ephemeralpeer.proto`` says. WireGuard tells of no handshake, so that
:meth:`WireGuardRelay.step` has to be called again and again; a peer that is not loaded has no allowed IPs here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from tests.support.providers.ephemeral_peer import Registration


class Run(Protocol):
    def __call__(self, command: str, *, feed: str | None = None) -> str:
        """Run a command in the relay's namespace; returns its output."""
        ...


@dataclass
class _Pair:
    ephemeral: str
    allowed: str
    loaded: bool = False  # the ephemeral one


class WireGuardRelay:
    def __init__(self, run: Run, interface: str) -> None:
        self._run = run
        self._interface = interface
        self._pairs: dict[str, _Pair] = {}  # by the registered key
        self._lock = threading.Lock()

    def register(self, found: Registration) -> None:
        """Add the ephemeral peer; the last one of the same registered key is gone."""
        with self._lock:
            old = self._pairs.pop(found.parent, None)
            if old is not None:
                self._remove(old.ephemeral)
            allowed = old.allowed if old is not None and old.loaded else self._allowed(found.parent)
            self._set(f"{found.ephemeral} preshared-key /dev/stdin", feed=found.preshared)
            self._pairs[found.parent] = _Pair(found.ephemeral, allowed)

    def step(self) -> None:
        """Load what has shaken hands since the last step."""
        with self._lock:
            shaken = self._handshakes()
            for parent, pair in list(self._pairs.items()):
                if parent not in shaken:  # no longer registered
                    self._remove(pair.ephemeral)
                    del self._pairs[parent]
                elif not pair.loaded and shaken.get(pair.ephemeral):
                    self._remove(parent)
                    self._set(parent)
                    self._set(f"{pair.ephemeral} allowed-ips {pair.allowed}")
                    pair.loaded = True
                elif pair.loaded and shaken[parent]:
                    self._remove(pair.ephemeral)
                    self._set(f"{parent} allowed-ips {pair.allowed}")
                    del self._pairs[parent]

    def _handshakes(self) -> dict[str, int]:
        """The time of each peer's last handshake, 0 = none."""
        text = self._run(f"wg show {self._interface} latest-handshakes")
        return {key: int(when) for key, when in (line.split("\t") for line in text.splitlines())}

    def _allowed(self, key: str) -> str:
        text = self._run(f"wg show {self._interface} allowed-ips")
        return dict(line.split("\t") for line in text.splitlines())[key].replace(" ", ",")

    def _set(self, peer: str, *, feed: str | None = None) -> None:
        self._run(f"wg set {self._interface} peer {peer}", feed=feed)

    def _remove(self, key: str) -> None:
        self._set(f"{key} remove")
