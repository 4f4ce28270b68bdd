"""The WireGuard handshake of a tunnel: waiting for it, and explaining why it did not come."""

from __future__ import annotations

import asyncio

from app.model import Endpoint, WanLink
from app.network.plan import TransportPeer
from app.network.wireguard.types import DeviceStats, PeerStats, WireGuardBackend
from app.tunnel.clock import boottime

MIN_POLL_INTERVAL = 0.002  # seconds; neither WireGuard implementation reports a handshake, so poll, quickly at first
MAX_POLL_INTERVAL = 0.05  # seconds
INITIATION_SIZE = 148  # bytes, without UDP (whitepaper, 5.4.2)


def peer_of(stats: DeviceStats | None, public_key: str) -> PeerStats | None:
    return next((p for p in stats.peers if p.public_key == public_key), None) if stats else None


def initiations(peer: PeerStats | None) -> int:
    """How many handshakes were begun with ``peer``, which has answered none: nothing else is sent to it (pure)."""
    return peer.tx_bytes // INITIATION_SIZE if peer is not None and peer.latest_handshake is None else 0


async def wait(backend: WireGuardBackend, name: str, public_key: str, timeout: float) -> bool:
    """Whether ``public_key`` completes a handshake on ``name`` within ``timeout`` seconds."""
    end = boottime() + timeout
    pause = MIN_POLL_INTERVAL
    while True:
        peer = peer_of(await backend.stats(name), public_key)
        if peer is not None and peer.latest_handshake is not None:
            return True
        if boottime() >= end:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, MAX_POLL_INTERVAL)


def explain_failure(
    wan: WanLink | None, endpoint: TransportPeer | None, peer: PeerStats | None, clock_behind: float = 0.0
) -> str:
    """The likeliest reason why no handshake came, and the next step for the user (pure).

    ``clock_behind``: seconds by which this gateway's clock is behind the latest time that it has shown.
    """
    if wan is None:
        return "no WAN port was found: plug a cable to your router into the WAN port"
    if wan.port is not None and not wan.usable:
        return (
            f"the WAN {wan.name} over the port {wan.port} is not up: check the cable, and the VLAN's number or the"
            " PPPoE user name and password in gateway.toml"
        )
    if not wan.up:
        return f"the WAN port {wan.name} has no link: check the cable to your router"
    if not wan.addresses:
        return f"your router has given the WAN port {wan.name} no address yet (DHCP)"
    if endpoint is None:
        return "the server has no endpoint"
    address = endpoint.address
    on_link = any(address.version == a.version and address in a.network for a in wan.addresses)
    gateway = wan.gateway4 if address.version == 4 else wan.gateway6
    if gateway is None and not on_link:
        return f"the WAN has no route for IPv{address.version}: the server's address {address} cannot be reached"
    where = str(Endpoint(str(address), endpoint.port))
    if peer is not None and peer.rx_bytes > 0:
        return f"{where} answers but the handshake fails: check the keys, the preshared key and this gateway's clock"
    if clock_behind >= 1:
        # WireGuard detects replays by the handshake's timestamp (whitepaper, 5.4.2). Time alone resolves this.
        return (
            f"no answer from {where}: this gateway's clock was set back, and a server that saw the later time rejects"
            f" handshakes as replays for another {_duration(clock_behind)}; after that the gateway connects by itself,"
            " to another server it connects now"
        )
    return (
        f"no answer from {where}: the server is down, UDP is filtered (a hotel's network may want a sign-in first), it"
        " does not know this gateway's key, or it answers from another address, which the firewall drops"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"
