"""Interfaces and their addresses: read from the kernel, compared with the plan, changed. rtnetlink(7)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from ipaddress import ip_interface
from pathlib import Path

from msgspec import Struct

from app.addresses import Interface
from app.network import rtnetlink
from app.network.netlink_raw import attributes
from app.network.plan import LinkPlan
from app.network.routes import PROTOCOL_GATEWAY

SYS = Path("/sys/class/net")
CANARY_LINKS = ("canary0", "canary1")  # the gateway's own, of app.network.canary_link: no ports for people
_IFF_UP = 1
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x02, 0x200
_ARPHRD_ETHER = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_PROTO = 1, 2, 11
_IFLA_ADDRESS, _IFLA_NAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_INFO, _IFLA_CARRIER, _IFLA_PERM_ADDRESS = (
    1,
    3,
    4,
    10,
    18,
    33,
    54,
)
_INFO_KIND = 1


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


def read_links() -> dict[str, LinkState]:
    """Every interface by name. Raises OSError."""
    addresses: dict[int, list[bytes]] = {}
    for body in rtnetlink.dump(rtnetlink.GET_ADDRESS):
        addresses.setdefault(rtnetlink.ADDRESS.unpack_from(body)[4], []).append(body)
    links = rtnetlink.dump(rtnetlink.GET_LINK)
    return dict(_link(body, tuple(addresses.get(rtnetlink.LINK.unpack_from(body)[2], ()))) for body in links)


@functools.lru_cache(64)  # of some 2 kB each, and a link that carries packets has another message each time
def _link(body: bytes, of_addresses: tuple[bytes, ...]) -> tuple[str, LinkState]:
    """The link of a message and those of its addresses, which are mostly the same as the last time."""
    addresses: set[Interface] = set()
    managed: set[Interface] = set()
    peer: str | None = None
    for message in of_addresses:
        attrs = attributes(message[rtnetlink.ADDRESS.size :])
        packed = attrs.get(_IFA_LOCAL) or attrs.get(_IFA_ADDRESS)
        if packed is None:
            continue
        address = _interface(packed, rtnetlink.ADDRESS.unpack_from(message)[1])
        addresses.add(address)
        if address.version == 4 and attrs.get(_IFA_ADDRESS) not in {None, packed}:
            peer = str(rtnetlink.address(attrs[_IFA_ADDRESS]))
        if attrs.get(_IFA_PROTO) == bytes((PROTOCOL_GATEWAY,)):
            managed.add(address)
    _, hardware, index, flags, _ = rtnetlink.LINK.unpack_from(body)
    attrs = attributes(body[rtnetlink.LINK.size :])
    # A port of a bridge has this too, with the kind of its master alone.
    kind = attributes(attrs.get(_IFLA_INFO, b"")).get(_INFO_KIND)
    name = rtnetlink.text(attrs[_IFLA_NAME])
    mac = attrs.get(_IFLA_PERM_ADDRESS) or attrs.get(_IFLA_ADDRESS) or b""
    return name, LinkState(
        index=index,
        up=bool(flags & _IFF_UP),
        carrier=attrs.get(_IFLA_CARRIER) == b"\1",
        mtu=rtnetlink.number(attrs.get(_IFLA_MTU, b"")),
        kind=rtnetlink.text(kind) if kind else None,
        ethernet=hardware == _ARPHRD_ETHER,
        master=rtnetlink.number(attrs.get(_IFLA_MASTER, b"")),
        radio=kind is None and (SYS / name / "phy80211").exists(),
        mac=mac.hex(":"),
        addresses=frozenset(addresses),
        managed=frozenset(managed),
        peer=peer,
    )


@functools.lru_cache(1024)
def _interface(packed: bytes, prefix: int) -> Interface:
    return ip_interface((packed, prefix))


def extra_addresses(link: LinkPlan, state: LinkState) -> frozenset[Interface]:
    """Addresses to remove from a tunnel's interface (pure). The link-local one that the kernel gave it stays."""
    return frozenset(a for a in state.addresses - set(link.addresses) if not (a.version == 6 and a.is_link_local))


def as_planned(link: LinkPlan, state: LinkState) -> bool:
    """Whether a tunnel's interface is as planned (pure)."""
    missing = set(link.addresses) - state.addresses
    return state.up and state.mtu == link.mtu and not missing and not extra_addresses(link, state)


def add_address(index: int, address: Interface, *, quiet: bool = False) -> None:
    """Add ``address``. ``quiet``, for a tunnel's: without a connected route in main and duplicate detection.

    Raises OSError.
    """
    flags = 0
    if quiet:
        flags = _IFA_F_NOPREFIXROUTE | (_IFA_F_NODAD if address.version == 6 else 0)
    rtnetlink.set_address(index, address.ip, address.network.prefixlen, flags, PROTOCOL_GATEWAY)


def delete_address(index: int, address: Interface) -> None:
    """Raises OSError."""
    rtnetlink.delete_address(index, address.ip, address.network.prefixlen)


def is_port(state: LinkState) -> bool:
    """Whether the link is wired Ethernet: hardware, or the virtual cable of a machine or namespace (pure)."""
    return state.ethernet and state.kind in {None, "veth"} and not state.radio


def without_canary(state: Mapping[str, LinkState]) -> dict[str, LinkState]:
    """The links without the canary's (pure)."""
    return {name: link for name, link in state.items() if name not in CANARY_LINKS}


def members(bridge: str, state: Mapping[str, LinkState]) -> frozenset[str]:
    """The wired ports in ``bridge`` (pure)."""
    index = state[bridge].index if bridge in state else 0
    ports = without_canary(state)
    return frozenset(name for name, link in ports.items() if index and link.master == index and is_port(link))


def set_bridge(port: LinkState, bridge: int) -> None:
    """Move ``port`` into the bridge with index ``bridge``, or out of its bridge where that is 0. Raises OSError."""
    rtnetlink.set_link(port.index, master=bridge)


def set_up(state: LinkState) -> None:
    """Raises OSError."""
    rtnetlink.set_link(state.index, up=True)


def apply_link(link: LinkPlan, state: LinkState) -> None:
    """Give a tunnel's interface its planned addresses and MTU, and set it up. Raises OSError.

    Extra addresses are removed first: with a primary IPv4 address the kernel removes its secondary ones too.
    """
    for address in extra_addresses(link, state):
        delete_address(state.index, address)
    kept = set() if extra_addresses(link, state) else state.addresses
    if state.mtu != link.mtu or not state.up:
        rtnetlink.set_link(state.index, mtu=link.mtu, up=True)
    for address in link.addresses:
        if address not in kept:
            add_address(state.index, address, quiet=True)
