"""Interfaces and their addresses: what is, and what a plan wants. rtnetlink(7)."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

from msgspec import Struct

from app.addresses import Interface

IFF_UP = 1
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
RT_SCOPE_LINK = 253


class LinkState(Struct, frozen=True):
    index: int
    up: bool  # administratively
    carrier: bool
    mtu: int
    kind: str | None  # "veth", "bridge", "wireguard", "tun", ...; None for hardware
    addresses: frozenset[Interface]  # link-local ones left out


async def read_links(ip: Any) -> dict[str, LinkState]:
    """Every interface by name."""
    addresses: dict[int, set[Interface]] = {}
    async for message in await ip.get_addr():
        if message["scope"] == RT_SCOPE_LINK:
            continue
        attributes = dict(message["attrs"])
        text = attributes.get("IFA_LOCAL") or attributes.get("IFA_ADDRESS")
        addresses.setdefault(message["index"], set()).add(ip_interface(f"{text}/{message['prefixlen']}"))
    found: dict[str, LinkState] = {}
    async for message in await ip.get_links():
        attributes = dict(message["attrs"])
        info: Any = attributes.get("IFLA_LINKINFO")
        found[attributes["IFLA_IFNAME"]] = LinkState(
            index=message["index"],
            up=bool(message["flags"] & IFF_UP),
            carrier=attributes.get("IFLA_CARRIER", 0) == 1,
            mtu=attributes.get("IFLA_MTU", 0),
            kind=dict(info["attrs"]).get("IFLA_INFO_KIND") if info else None,
            addresses=frozenset(addresses.get(message["index"], ())),
        )
    return found


async def add_address(ip: Any, index: int, address: Interface, *, quiet: bool) -> None:
    """``quiet``: no connected route in main and no duplicate detection, as a tunnel's address wants it."""
    flags = 0
    if quiet:
        flags = IFA_F_NOPREFIXROUTE | (IFA_F_NODAD if address.version == 6 else 0)
    await ip.addr("replace", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, flags=flags)


async def delete_address(ip: Any, index: int, address: Interface) -> None:
    await ip.addr("del", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)
