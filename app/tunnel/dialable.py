"""The judgement of an address that a name server gave for a VPN server: whether it can be dialled (pure).

A name server that blocks a name answers 0.0.0.0, a loopback address or an address of its own, so an answer alone is not
yet a server. Private addresses are accepted: a server may be in the WAN's own network.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

from app.addresses import Address, Network, is_routable
from app.model import LanSettings, Links
from app.network.plan import ExitPlan

_BLOCKING4 = IPv4Network("0.0.0.0/8")  # RFC 1122 3.2.1.3: "this host on this network"
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 2.1; DNS64 translates the answer of a name server that blocks, too

BLOCKED = "it is blocked there"


class OwnAddresses(Struct, frozen=True):
    """The addresses that are the gateway itself, and the networks behind it: no VPN server is there."""

    addresses: frozenset[Address] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, links: Links, lan: LanSettings, plans: Iterable[ExitPlan] = ()) -> OwnAddresses:
        wan = links.wan
        tunnels = [t for p in plans for t in (p.active, p.candidate, p.draining) if t is not None]
        interfaces = (
            lan.address,
            *((lan.ula,) if lan.ula else ()),
            *(wan.addresses if wan else ()),
            *(a for tunnel in tunnels for a in tunnel.addresses),
        )
        # In the one-arm topology the LAN's network is the WAN's too, and a server may be in it.
        shared = wan is not None and any(link.name == wan.name for link in links.lan)
        return cls(frozenset(i.ip for i in interfaces), () if shared else lan.networks)


def reason_against(address: Address, own: OwnAddresses) -> str | None:
    """Why no VPN server can have ``address``, as the end of a sentence; None where one can."""
    inner = _embedded(address)
    if inner is not None:
        return reason_against(inner, own)
    if address.is_unspecified or address.is_loopback or (isinstance(address, IPv4Address) and address in _BLOCKING4):
        return BLOCKED
    if address in own.addresses:
        return "that is this gateway itself"
    if any(address.version == n.version and address in n for n in own.networks):
        return "that is in this gateway's own LAN"
    if not is_routable(address) or (isinstance(address, IPv4Address) and address.is_reserved):
        return "that is not the address of a server"
    return None


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address inside ``address``, where that is IPv4-mapped (RFC 4291 2.5.5.2) or made by NAT64."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
