"""Interfaces and their addresses: read from the kernel, compared with the plan, changed. rtnetlink(7)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from msgspec import Struct

from app.addresses import Interface
from app.network.plan import LinkPlan
from app.network.routes import PROTOCOL_GATEWAY

SYS = Path("/sys/class/net")
_IFF_UP = 1
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x02, 0x200
_ARPHRD_ETHER = 1


class LinkState(Struct, frozen=True):
    index: int
    up: bool  # administratively
    carrier: bool
    mtu: int
    kind: str | None  # "veth", "bridge", "wireguard", "tun", ...; None for hardware
    ethernet: bool
    master: int  # index of the bridge it is a port of, 0 = none
    radio: bool
    mac: str
    addresses: frozenset[Interface]
    managed: frozenset[Interface]  # those of ``addresses`` that the gateway has set (IFA_PROTO, Linux 5.18)
    peer: str | None = None  # the other end's IPv4 address on a point-to-point link


async def read_links(ip: Any) -> dict[str, LinkState]:
    """Every interface by name."""
    addresses: dict[int, set[Interface]] = {}
    managed: dict[int, set[Interface]] = {}
    peers: dict[int, str] = {}
    async for message in await ip.get_addr():
        attrs = dict(message["attrs"])
        text = attrs.get("IFA_LOCAL") or attrs.get("IFA_ADDRESS")
        address = ip_interface(f"{text}/{message['prefixlen']}")
        addresses.setdefault(message["index"], set()).add(address)
        if address.version == 4 and attrs.get("IFA_ADDRESS") not in {None, text}:
            peers[message["index"]] = attrs["IFA_ADDRESS"]
        if attrs.get("IFA_PROTO") == PROTOCOL_GATEWAY:
            managed.setdefault(message["index"], set()).add(address)
    found: dict[str, LinkState] = {}
    async for message in await ip.get_links():
        attrs = dict(message["attrs"])
        # A port of a bridge has this too, with the kind of its master alone.
        info: Any = attrs.get("IFLA_LINKINFO")
        kind = dict(info["attrs"]).get("IFLA_INFO_KIND") if info else None
        index, name = message["index"], attrs["IFLA_IFNAME"]
        found[name] = LinkState(
            index=index,
            up=bool(message["flags"] & _IFF_UP),
            carrier=attrs.get("IFLA_CARRIER", 0) == 1,
            mtu=attrs.get("IFLA_MTU", 0),
            kind=kind,
            ethernet=message["ifi_type"] == _ARPHRD_ETHER,
            master=attrs.get("IFLA_MASTER", 0),
            radio=kind is None and (SYS / name / "phy80211").exists(),
            mac=str(attrs.get("IFLA_PERM_ADDRESS") or attrs.get("IFLA_ADDRESS") or ""),
            addresses=frozenset(addresses.get(index, ())),
            managed=frozenset(managed.get(index, ())),
            peer=peers.get(index),
        )
    return found


def extra_addresses(link: LinkPlan, state: LinkState) -> frozenset[Interface]:
    """Addresses to remove from a tunnel's interface (pure). The link-local one that the kernel gave it stays."""
    return frozenset(a for a in state.addresses - set(link.addresses) if not (a.version == 6 and a.is_link_local))


def as_planned(link: LinkPlan, state: LinkState) -> bool:
    """Whether a tunnel's interface is as planned (pure)."""
    missing = set(link.addresses) - state.addresses
    return state.up and state.mtu == link.mtu and not missing and not extra_addresses(link, state)


async def add_address(ip: Any, index: int, address: Interface, *, quiet: bool) -> None:
    """Add ``address``. ``quiet``, for a tunnel's: without a connected route in main and duplicate detection."""
    flags = 0
    if quiet:
        flags = _IFA_F_NOPREFIXROUTE | (_IFA_F_NODAD if address.version == 6 else 0)
    await ip.addr(
        "replace",
        index=index,
        address=str(address.ip),
        prefixlen=address.network.prefixlen,
        flags=flags,
        proto=PROTOCOL_GATEWAY,
    )


async def delete_address(ip: Any, index: int, address: Interface) -> None:
    await ip.addr("del", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)


def is_port(state: LinkState) -> bool:
    """Whether the link is wired Ethernet: hardware, or the virtual cable of a machine or namespace (pure)."""
    return state.ethernet and state.kind in {None, "veth"} and not state.radio


def members(bridge: str, state: Mapping[str, LinkState]) -> frozenset[str]:
    """The wired ports in ``bridge`` (pure)."""
    index = state[bridge].index if bridge in state else 0
    return frozenset(name for name, link in state.items() if index and link.master == index and is_port(link))


async def set_bridge(ip: Any, port: LinkState, bridge: int) -> None:
    """Move ``port`` into the bridge with index ``bridge``, or out of its bridge where that is 0."""
    await ip.link("set", index=port.index, master=bridge)


async def apply_link(ip: Any, link: LinkPlan, state: LinkState) -> None:
    """Give a tunnel's interface its planned addresses and MTU, and set it up.

    Extra addresses are removed first: with a primary IPv4 address the kernel removes its secondary ones too.
    """
    for address in extra_addresses(link, state):
        await delete_address(ip, state.index, address)
    kept = set() if extra_addresses(link, state) else state.addresses
    if state.mtu != link.mtu or not state.up:
        await ip.link("set", index=state.index, mtu=link.mtu, state="up")
    for address in link.addresses:
        if address not in kept:
            await add_address(ip, state.index, address, quiet=True)
