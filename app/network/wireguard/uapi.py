"""The UAPI texts of wireguard-go, composed and parsed (pure): https://www.wireguard.com/xplatform/."""

from __future__ import annotations

import base64
from ipaddress import ip_address

from app.addresses import Address
from app.network.wireguard.types import DeviceConfig, DeviceStats, PeerConfig, PeerStats


def _hex(key: str) -> str:
    return base64.b64decode(key).hex()


def _base64(key: str) -> str:
    return base64.b64encode(bytes.fromhex(key)).decode()


def _endpoint(endpoint: tuple[Address, int]) -> str:
    address, port = endpoint
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def configuration(device: DeviceConfig, port: int = 0) -> str:
    """The ``set`` operation that replaces an interface's configuration by ``device``. It contains the private key.

    ``port`` is the one on which the interface listens, 0 = not yet.
    """
    # The old peers go first: one that is there while the key changes begins a handshake with the new key at once, and a
    # server that answers it ignores that of the new peer, which comes within the 50 ms of its flood protection.
    lines = ["set=1", "replace_peers=true", f"private_key={_hex(device.private_key.reveal())}"]
    lines.append(f"fwmark={device.fwmark}")
    if device.listen_port != port:
        # wireguard-go opens a new socket, also for the port it has: what comes meanwhile is lost, and refused by ICMP.
        lines.append(f"listen_port={device.listen_port or 0}")
    for peer in device.peers:
        lines += _peer(peer)
    return "\n".join(lines) + "\n\n"


def endpoint_change(public_key: str, endpoint: tuple[Address, int]) -> str:
    """The ``set`` operation that changes the endpoint of an existing peer; its session, and everything else, stays."""
    lines = ["set=1", f"public_key={_hex(public_key)}", "update_only=true", f"endpoint={_endpoint(endpoint)}"]
    return "\n".join(lines) + "\n\n"


def _peer(peer: PeerConfig) -> list[str]:
    lines = [f"public_key={_hex(peer.public_key)}"]
    if peer.preshared_key is not None:
        lines.append(f"preshared_key={_hex(peer.preshared_key.reveal())}")
    if peer.endpoint is not None:
        lines.append(f"endpoint={_endpoint(peer.endpoint)}")
    lines.append("replace_allowed_ips=true")
    lines += [f"allowed_ip={network}" for network in peer.allowed_ips]
    lines.append(f"persistent_keepalive_interval={peer.persistent_keepalive}")
    return lines


def parse_stats(reply: str) -> DeviceStats:
    """The answer to ``get=1``; the private key in it is ignored. Raises ValueError."""
    fwmark = port = 0
    peers: list[PeerStats] = []
    current: dict[str, str] = {}

    def finish() -> None:
        if current:
            seconds = int(current.get("last_handshake_time_sec", "0"))
            nanoseconds = int(current.get("last_handshake_time_nsec", "0"))
            host, _, peer_port = current.get("endpoint", "").rpartition(":")
            peers.append(
                PeerStats(
                    public_key=_base64(current["public_key"]),
                    endpoint=(ip_address(host.strip("[]")), int(peer_port)) if host else None,
                    latest_handshake=seconds + nanoseconds / 1e9 if seconds or nanoseconds else None,
                    rx_bytes=int(current.get("rx_bytes", "0")),
                    tx_bytes=int(current.get("tx_bytes", "0")),
                )
            )

    for line in reply.splitlines():
        key, _, value = line.partition("=")
        if key == "public_key":
            finish()
            current = {key: value}
        elif current:
            current[key] = value
        elif key == "fwmark":
            fwmark = int(value)
        elif key == "listen_port":
            port = int(value)
    finish()
    return DeviceStats(fwmark, port, tuple(peers))
