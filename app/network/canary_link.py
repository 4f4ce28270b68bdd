"""The canary's cable into the LAN: a veth pair, one end a port of the LAN's bridge, the other the device's own.

Frames go in at the device's end by a packet socket. Where the LAN is no bridge, but one port, they are redirected to
what that port receives (tc-mirred(8)). The device's end takes part in no network of the gateway: no IP, no ARP, and a
MAC address that is not the one of the frames, so the kernel takes every answer for somebody else's. Nothing is flooded
into the bridge's port, and nothing passes from it to another port, since the rules of the bridge do not know it.
"""

from __future__ import annotations

import struct
from typing import Any

from app.addresses import Address
from app.network import sysctl
from app.network.links import CANARY_LINKS, LinkState, read_links
from app.network.netlink import open_netlink
from app.network.netlink_raw import NETLINK_ROUTE, NLA_F_NESTED, NLM_F_ACK, attribute, exchange

PORT, DEVICE = CANARY_LINKS
# The bridge takes the lowest address of its ports for its own, where it was given none: so a high one.
_PORT_MAC, _DEVICE_MAC = "fe:76:67:63:61:00", "fe:76:67:63:61:01"
_NUD_PERMANENT = 0x80

# linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h
_NEW_QDISC, _DELETE_QDISC, _NEW_FILTER, _CREATE, _REPLACE = 36, 37, 44, 0x400, 0x100
_KIND, _OPTIONS, _BPF_ACTION, _OPS_LEN, _OPS = 1, 2, 1, 4, 5
_CLSACT, _CLSACT_HANDLE, _INGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2
_INFO = 1 << 16 | 0x0300  # the first priority, of all protocols
_TAKE_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF)
_STOLEN, _INGRESS_REDIRECT = 4, 3


async def connect(lan: str, *, bridged: bool) -> str:
    """Plug the canary into the LAN's link ``lan``, and return the MAC address that is the gateway's there. Idempotent.

    Raises NetlinkError, OSError.
    """
    async with open_netlink() as ip:
        state = read_links()
        if lan not in state:
            raise OSError(f"there is no {lan}")
        if PORT not in state or DEVICE not in state:
            state = await _create(ip, state)
        port, link = state[PORT], state[lan]
        if bridged:
            if port.master != link.index:
                await ip.link("set", index=port.index, master=link.index)
                await ip.brport("set", index=port.index, unicast_flood=0, mcast_flood=0, bcast_flood=0)
        else:
            if port.master:
                await ip.link("set", index=port.index, master=0)
            _redirect(port.index, link.index)
        for name in CANARY_LINKS:
            if not state[name].up:
                await ip.link("set", index=state[name].index, state="up")
        # A redirected frame keeps the kernel's verdict on whom it is for, which was made at the canary's port.
        return await _address(ip, link.index if bridged else port.index)


async def _address(ip: Any, index: int) -> str:
    """The present MAC address, which need not be the one that the card was made with."""
    async for message in await ip.get_links(index):
        return str(dict(message["attrs"])["IFLA_ADDRESS"])
    raise OSError("the LAN's link is gone")


async def _create(ip: Any, state: dict[str, LinkState]) -> dict[str, LinkState]:
    for name in CANARY_LINKS:  # half a pair is none
        if name in state:
            await ip.link("del", index=state[name].index)
    await ip.link("add", ifname=PORT, kind="veth", address=_PORT_MAC, peer={"ifname": DEVICE, "address": _DEVICE_MAC})
    state = read_links()
    for name in CANARY_LINKS:
        if sysctl.read(f"net/ipv6/conf/{name}/disable_ipv6") == "0":
            sysctl.write(f"net/ipv6/conf/{name}/disable_ipv6", "1")
    await ip.link("set", index=state[DEVICE].index, arp=False)
    return state


def _redirect(index: int, to: int) -> None:
    """Have all that port ``index`` receives be received by port ``to`` instead. Raises OSError."""
    qdisc = struct.pack("=BxxxiIII", 0, index, _CLSACT_HANDLE, _CLSACT, 0) + attribute(_KIND, b"clsact\0")
    exchange(NETLINK_ROUTE, _NEW_QDISC, _CREATE | NLM_F_ACK, qdisc)
    parameters = struct.pack("=IIiiiiI", 0, 0, _STOLEN, 0, 0, _INGRESS_REDIRECT, to)  # struct tc_mirred
    action = attribute(1, b"mirred\0") + attribute(2 | NLA_F_NESTED, attribute(2, parameters))
    options = attribute(_OPS_LEN, struct.pack("=H", 1)) + attribute(_OPS, _TAKE_ALL)
    options += attribute(_BPF_ACTION | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, action))
    attrs = attribute(_KIND, b"bpf\0") + attribute(_OPTIONS | NLA_F_NESTED, options)
    body = struct.pack("=BxxxiIII", 0, index, 1, _INGRESS, _INFO) + attrs
    exchange(NETLINK_ROUTE, _NEW_FILTER, _CREATE | _REPLACE | NLM_F_ACK, body)


async def disconnect() -> None:
    """Remove the cable. Idempotent. Raises NetlinkError, OSError."""
    async with open_netlink() as ip:
        for index in await ip.link_lookup(ifname=PORT):
            await ip.link("del", index=index)


async def set_neighbour(lan: str, addresses: tuple[Address, ...], mac: str) -> None:
    """Have the gateway know the canary's ``addresses``, so that it asks no device for them. Raises NetlinkError."""
    async with open_netlink() as ip:
        for index in await ip.link_lookup(ifname=lan):
            for address in addresses:
                await ip.neigh("replace", dst=str(address), lladdr=mac, ifindex=index, state=_NUD_PERMANENT)


async def forget_neighbour(lan: str, addresses: tuple[Address, ...]) -> None:
    """Raises NetlinkError."""
    async with open_netlink() as ip:
        for index in await ip.link_lookup(ifname=lan):
            for address in addresses:
                await ip.neigh("del", dst=str(address), ifindex=index)
