"""The kernel's WireGuard, over generic netlink (Linux: include/uapi/linux/wireguard.h) with pyroute2."""

from __future__ import annotations

import asyncio
import base64
from ipaddress import ip_address
from typing import Any, Literal

from pyroute2 import WireGuard
from pyroute2.netlink.exceptions import NetlinkError

from app.addresses import Address
from app.errors import KernelError
from app.network.netlink import open_netlink
from app.network.wireguard import OURS, DeviceConfig, DeviceStats, PeerConfig, PeerStats

_PROBE = "wgprobe"  # not one of ours by name, so the reconciler leaves it alone for its moment of life


async def kernel_has_wireguard() -> bool:
    """Whether the kernel can make a WireGuard link, by making one (this also loads the module)."""
    async with open_netlink() as ip:
        try:
            await ip.link("add", ifname=_PROBE, kind="wireguard")
        except NetlinkError:
            return False
        for index in await ip.link_lookup(ifname=_PROBE):
            await ip.link("del", index=index)
    return True


def peer_message(peer: PeerConfig) -> dict[str, Any]:
    """A peer as :meth:`pyroute2.WireGuard.set` takes it (pure). It holds the preshared key."""
    message: dict[str, Any] = {
        "public_key": peer.public_key,
        "persistent_keepalive": peer.persistent_keepalive,
        "allowed_ips": [str(network) for network in peer.allowed_ips],
        "replace_allowed_ips": True,
    }
    if peer.preshared_key is not None:
        message["preshared_key"] = peer.preshared_key.reveal()
    if peer.endpoint is not None:
        message["endpoint_addr"] = str(peer.endpoint[0])
        message["endpoint_port"] = peer.endpoint[1]
    return message


class KernelBackend:
    kind: Literal["kernel", "userspace"] = "kernel"

    async def create(self, name: str) -> None:
        async with open_netlink() as ip:
            if await ip.link_lookup(ifname=name):
                return
            try:
                await ip.link("add", ifname=name, kind="wireguard")
            except NetlinkError as error:
                raise KernelError(f"the kernel cannot make {name}: {error.args[1]}") from error

    async def configure(self, name: str, device: DeviceConfig) -> None:
        await asyncio.to_thread(_configure, name, device)

    async def set_endpoint(self, name: str, public_key: str, address: Address, port: int) -> None:
        await asyncio.to_thread(_set_endpoint, name, public_key, str(address), port)

    async def stats(self, name: str) -> DeviceStats | None:
        return await asyncio.to_thread(_stats, name)

    async def remove(self, name: str) -> None:
        async with open_netlink() as ip:
            for index in await ip.link_lookup(ifname=name):
                await ip.link("del", index=index)

    async def names(self) -> set[str]:
        async with open_netlink() as ip:
            found = {link.get("ifname") async for link in await ip.get_links()}
        return {name for name in found if OURS.fullmatch(str(name))}


def _configure(name: str, device: DeviceConfig) -> None:
    try:
        with WireGuard() as wg:
            # set() takes one peer a call and never replaces the set: take out the old ones first, so that a peer that
            # stays starts with a new session, as the protocol promises.
            for old in _peer_keys(wg, name):
                wg.set(name, peer={"public_key": old, "remove": True})
            wg.set(
                name,
                private_key=device.private_key.reveal(),
                fwmark=device.fwmark,
                listen_port=device.listen_port or 0,
            )
            for peer in device.peers:
                wg.set(name, peer=peer_message(peer))
    except NetlinkError as error:
        raise KernelError(f"the kernel refused the configuration of {name}: {error.args[1]}") from None


def _set_endpoint(name: str, public_key: str, address: str, port: int) -> None:
    try:
        with WireGuard() as wg:
            wg.set(name, peer={"public_key": public_key, "endpoint_addr": address, "endpoint_port": port})
    except NetlinkError as error:
        raise KernelError(f"the kernel refused an endpoint of {name}: {error.args[1]}") from None


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else base64.b64encode(bytes(key)).decode()


def _peers(wg: WireGuard, name: str) -> tuple[Any, list[Any]]:
    """The first message (for the interface's own values) and all peers: a long list comes in several messages."""
    messages = list(wg.info(name))
    peers = [peer for message in messages for peer in (message.get_attr("WGDEVICE_A_PEERS") or [])]
    return messages[0], peers


def _peer_keys(wg: WireGuard, name: str) -> list[str]:
    return [_text(peer.get_attr("WGPEER_A_PUBLIC_KEY")) for peer in _peers(wg, name)[1]]


def _stats(name: str) -> DeviceStats | None:
    try:
        with WireGuard() as wg:
            first, peers = _peers(wg, name)
    except NetlinkError:
        return None
    return DeviceStats(
        fwmark=first.get_attr("WGDEVICE_A_FWMARK") or 0,
        listen_port=first.get_attr("WGDEVICE_A_LISTEN_PORT") or 0,
        peers=tuple(_peer_stats(peer) for peer in peers),
    )


def _peer_stats(peer: Any) -> PeerStats:
    endpoint = peer.get_attr("WGPEER_A_ENDPOINT")
    handshake = peer.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME") or {}
    seconds = handshake.get("tv_sec", 0) + handshake.get("tv_nsec", 0) / 1e9
    return PeerStats(
        public_key=_text(peer.get_attr("WGPEER_A_PUBLIC_KEY")),
        endpoint=(ip_address(endpoint["addr"]), endpoint["port"]) if endpoint and endpoint.get("port") else None,
        latest_handshake=seconds or None,
        rx_bytes=peer.get_attr("WGPEER_A_RX_BYTES") or 0,
        tx_bytes=peer.get_attr("WGPEER_A_TX_BYTES") or 0,
    )
