"""The latency of servers: the time until a TCP connection is accepted or refused.

It is measured when a client asks for the fastest server, unless the user has turned that off. A measurement sends one
SYN to each of a few servers, in the clear by the WAN; the cleartext allowlist has them for at most :data:`TIMEOUT`.
It bypasses a connected tunnel, through which all servers would seem as far as the tunnel's. A server that drops such
packets stays unmeasured and is ranked by its load.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Sequence

from app.addresses import Address
from app.model import Server
from app.netd.protocols import CleartextAllowlist
from app.network.plan import MARK_CLEAR, TransportPeer
from app.providers.selection import best_first
from app.tunnel.states import Target

PORT = 443  # VPN servers accept there or their kernel refuses; both give a round trip
MAX_CANDIDATES = 12  # servers in one round
TIMEOUT = 0.9  # seconds to wait for an answer; after one second the kernel would send a second SYN
MAX_AGE = 3600.0  # seconds for which a measurement is valid
MIN_INTERVAL = 30.0  # seconds between two rounds


class ServerLatencies:
    """The measurements of the last hour, in memory."""

    def __init__(self, allowlist: CleartextAllowlist) -> None:
        self._allowlist = allowlist
        self._found: dict[Target, tuple[float, float]] = {}  # (CLOCK_MONOTONIC, milliseconds)
        self._last = -MIN_INTERVAL
        self._lock = asyncio.Lock()

    def measured(self, provider: str) -> dict[str, float]:
        """The valid measurements of ``provider``, in milliseconds by host name."""
        oldest = time.monotonic() - MAX_AGE
        return {t.hostname: ms for t, (at, ms) in self._found.items() if t.provider == provider and at >= oldest}

    async def measure(self, servers: Sequence[Server]) -> int:
        """Measure a few of ``servers`` without a valid measurement; returns how many answered within :data:`TIMEOUT`.

        Raises KernelError if the firewall cannot be opened.
        """
        async with self._lock:
            if time.monotonic() - self._last < MIN_INTERVAL:
                return 0
            chosen = candidates(
                [s for s in servers if s.hostname not in self.measured(s.provider)], random.SystemRandom()
            )
            if not chosen:
                return 0
            peers = tuple(dict.fromkeys(TransportPeer(address, PORT) for address in chosen.values()))
            self._last = time.monotonic()
            async with self._allowlist.allow_cleartext(peers):
                results = await asyncio.gather(*(_round_trip(address) for address in chosen.values()))
            now = time.monotonic()
            fresh = {t: (now, ms) for t, ms in zip(chosen, results, strict=True) if ms is not None}
            self._found |= fresh
            self._found = {t: f for t, f in self._found.items() if now - f[0] < MAX_AGE}
            return len(fresh)


def candidates(servers: Sequence[Server], rng: random.Random) -> dict[Target, Address]:
    """The best server of each city, then the second best of each, and so on; at most :data:`MAX_CANDIDATES`."""
    turns: dict[Server, int] = {}
    cities: dict[tuple[str, str], int] = {}
    for server in best_first([s for s in servers if _may_be_asked(s)], rng):
        city = (server.country, server.city)
        turns[server] = cities[city] = cities.get(city, -1) + 1
    chosen = sorted(turns, key=lambda s: turns[s])[:MAX_CANDIDATES]
    return {Target(s.provider, s.hostname): ipaddress.ip_address(s.ipv4) for s in chosen if s.ipv4 is not None}


def _may_be_asked(server: Server) -> bool:
    """Whether the server may be contacted: a listed one always, a custom or imported one at a global address."""
    if server.ipv4 is None or server.missing:
        return False
    return server.provider not in {"custom", "imported"} or ipaddress.ip_address(server.ipv4).is_global


async def _round_trip(address: Address) -> float | None:
    """Milliseconds until ``address`` accepts or refuses; None if it does neither."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK_CLEAR)
        sock.setblocking(False)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                await asyncio.get_running_loop().sock_connect(sock, (str(address), PORT))
        except (ConnectionRefusedError, ConnectionResetError):
            pass  # an answer as well
        except (OSError, TimeoutError):
            return None
        return round((time.monotonic() - begun) * 1000, 1)
