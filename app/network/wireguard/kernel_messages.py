"""The netlink messages of the kernel's WireGuard, composed and parsed. Linux: include/uapi/linux/wireguard.h.

pyroute2's own ``set()`` takes one peer per call and cannot replace the set of peers, so the messages are composed here
of its types.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Any

from pyroute2.netlink.generic.wireguard import wgmsg

from app.addresses import Address, Network
from app.errors import KernelError
from app.network.wireguard.types import DeviceConfig, DeviceStats, PeerConfig, PeerStats

ALLOWED_IPS_A_MESSAGE = 500  # an attribute, such as a peer, has at most 64 KiB; an IPv6 network takes 36 bytes

_GET_DEVICE, _SET_DEVICE, _VERSION = 0, 1, 1
_REPLACE_PEERS = 1  # WGDEVICE_F_*
_REPLACE_ALLOWED_IPS, _UPDATE_ONLY = 2, 4  # WGPEER_F_*


def configuration(name: str, device: DeviceConfig) -> Iterator[wgmsg]:
    """The messages that replace the configuration of interface ``name`` by ``device``. They contain the keys.

    The first has the interface's own values and removes all old peers.
    """
    first: list[list[Any]] = [
        ["WGDEVICE_A_FLAGS", _REPLACE_PEERS],
        ["WGDEVICE_A_FWMARK", device.fwmark],
        ["WGDEVICE_A_LISTEN_PORT", device.listen_port or 0],
        ["WGDEVICE_A_PRIVATE_KEY", device.private_key.reveal()],
    ]
    parts = [part for peer in device.peers for part in _peer(peer)] or [None]
    for part in parts:
        yield _message(name, first, part)
        first = []


def endpoint_change(name: str, public_key: str, endpoint: tuple[Address, int]) -> wgmsg:
    """The message that changes the endpoint of an existing peer; its session, and everything else, stays."""
    part: list[list[Any]] = [
        ["WGPEER_A_PUBLIC_KEY", public_key],
        ["WGPEER_A_FLAGS", _UPDATE_ONLY],
        ["WGPEER_A_ENDPOINT", _endpoint(endpoint)],
    ]
    return _message(name, [], part)


def device_query(name: str) -> wgmsg:
    """The request whose answer :func:`parse` reads."""
    return _message(name, [], None, _GET_DEVICE)


def _message(name: str, device: list[list[Any]], peer: list[list[Any]] | None, command: int = _SET_DEVICE) -> wgmsg:
    message = wgmsg()
    message["cmd"], message["version"] = command, _VERSION
    peers: list[list[Any]] = [] if peer is None else [["WGDEVICE_A_PEERS", [{"attrs": peer}]]]
    message["attrs"] = [["WGDEVICE_A_IFNAME", name], *device, *peers]
    return message


def _peer(peer: PeerConfig) -> Iterator[list[list[Any]]]:
    """The peer in one part, or in several where its allowed IPs do not fit into one message."""
    part: list[list[Any]] = [
        ["WGPEER_A_PUBLIC_KEY", peer.public_key],
        ["WGPEER_A_FLAGS", _REPLACE_ALLOWED_IPS],
        ["WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", peer.persistent_keepalive],
    ]
    if peer.preshared_key is not None:
        part.append(["WGPEER_A_PRESHARED_KEY", peer.preshared_key.reveal()])
    if peer.endpoint is not None:
        part.append(["WGPEER_A_ENDPOINT", _endpoint(peer.endpoint)])
    rest = list(peer.allowed_ips)
    while True:
        now, rest = rest[:ALLOWED_IPS_A_MESSAGE], rest[ALLOWED_IPS_A_MESSAGE:]
        yield [*part, ["WGPEER_A_ALLOWEDIPS", [{"attrs": _allowed_ip(network)} for network in now]]]
        if not rest:
            return
        part = [["WGPEER_A_PUBLIC_KEY", peer.public_key], ["WGPEER_A_FLAGS", _UPDATE_ONLY]]


def _allowed_ip(network: Network) -> list[list[Any]]:
    return [
        ["WGALLOWEDIP_A_FAMILY", socket.AF_INET if network.version == 4 else socket.AF_INET6],
        ["WGALLOWEDIP_A_IPADDR", network.network_address.packed],
        ["WGALLOWEDIP_A_CIDR_MASK", network.prefixlen],
    ]


def _endpoint(endpoint: tuple[Address, int]) -> dict[str, Any]:
    """The endpoint as pyroute2 takes it. Raises KernelError where the address's zone is not an interface."""
    address, port = endpoint
    found: dict[str, Any] = {"addr": str(address).partition("%")[0], "port": port}
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        try:
            zone = socket.if_nametoindex(address.scope_id)
        except OSError:
            raise KernelError(f"the endpoint's zone {address.scope_id} is not an interface here") from None
        found["scope_id"] = socket.htonl(zone)  # pyroute2 writes it big-endian; the kernel reads host order
    return found


def parse(messages: list[Any]) -> DeviceStats:
    """The statistics in the answer to WG_CMD_GET_DEVICE; the keys in it are ignored.

    A long list of allowed IPs continues in the next message, under the same peer.
    """
    peers: dict[str, PeerStats] = {}
    for message in messages:
        for peer in message.get_attr("WGDEVICE_A_PEERS") or ():
            key = peer.get_attr("WGPEER_A_PUBLIC_KEY").decode()
            peers.setdefault(key, _peer_stats(key, peer))
    return DeviceStats(
        fwmark=messages[0].get_attr("WGDEVICE_A_FWMARK") or 0,
        listen_port=messages[0].get_attr("WGDEVICE_A_LISTEN_PORT") or 0,
        peers=tuple(peers.values()),
    )


def _peer_stats(key: str, peer: Any) -> PeerStats:
    endpoint = peer.get_attr("WGPEER_A_ENDPOINT")
    handshake = peer.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME") or {}
    seconds = handshake.get("tv_sec", 0) + handshake.get("tv_nsec", 0) / 1e9
    return PeerStats(
        public_key=key,
        endpoint=(ip_address(endpoint["addr"]), endpoint["port"]) if endpoint and endpoint["port"] else None,
        latest_handshake=seconds or None,
        rx_bytes=peer.get_attr("WGPEER_A_RX_BYTES") or 0,
        tx_bytes=peer.get_attr("WGPEER_A_TX_BYTES") or 0,
    )
