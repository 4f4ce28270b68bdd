"""The kinds of WAN other than DHCP (a fixed address, a VLAN, PPPoE): schema, checks and networkd's files (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    NetmaskValueError,
    ip_address,
)

from msgspec import Struct

from app import overlaps
from app.addresses import is_routable
from app.model import WanLink

# The WAN's interface where it is not the port itself. Not "lan...", which the boot ruleset takes for the LAN.
VLAN = "wan-vlan"
PPPOE = "wan-ppp"
PPPOE_MTU = 1492  # RFC 2516
VLAN_IDS = range(1, 4095)  # IEEE 802.1Q

# The port under the WAN: without addresses, and in no bridge.
_CARRIER = """\
[Match]
{match}

[Link]
RequiredForOnline=no

[Network]
{vlan}LinkLocalAddressing=no
IPv6AcceptRA=no
LLMNR=no
MulticastDNS=no
LLDP=no
EmitLLDP=no
"""


class WanAddress(Struct, forbid_unknown_fields=True, frozen=True):
    """A fixed IPv4 address."""

    address: str | None = None  # with the prefix, such as 203.0.113.7/24
    gateway: str | None = None
    dns: tuple[str, ...] = ()


class Pppoe(Struct, forbid_unknown_fields=True, frozen=True):
    """The login of a PPPoE session."""

    username: str | None = None
    password: str | None = None  # None: an earlier run has removed it from the file


def address_faults(key: str, wan: WanAddress, lan: IPv4Network) -> Iterator[str]:
    """The faults of a fixed address. ``lan`` is the LAN's network, in which no host of the WAN must be."""
    address = _interface(wan.address)
    if address is None:
        yield f"{key}.address: needed: the WAN's own IPv4 address and prefix, such as 203.0.113.7/24"
    else:
        yield from _overlap_faults(key, wan, address, lan)
    gateway = _host(wan.gateway)
    if gateway is None:
        yield f"{key}.gateway: needed: the IPv4 address of your provider's router, such as 203.0.113.1"
    elif address is not None and (gateway == address.ip or not _is_host(gateway, address.network)):
        yield f"{key}.gateway: must be another address in the network of {key}.address"
    if not wan.dns:
        yield f'{key}.dns: needed: one name server or several, such as ["203.0.113.1"]'
    for server in wan.dns:
        if _host(server) is None and _host6(server) is None:
            yield f"{key}.dns: IPv4 or IPv6 addresses of name servers, in quotation marks"
            return


def _overlap_faults(key: str, wan: WanAddress, address: IPv4Interface, lan: IPv4Network) -> Iterator[str]:
    servers = tuple(found for server in wan.dns if (found := _host(server)) is not None)
    link = WanLink("wan", addresses=(address,), gateway4=_host(wan.gateway), nameservers=servers)
    for clash in overlaps.clashes(overlaps.wan_claims(link), overlaps.lan_claims((lan,))):
        part = _PARTS.get(clash.second.role, "address")
        yield f"{key}.{part}: {clash.message}"


_PARTS = {overlaps.Role.ROUTER: "gateway", overlaps.Role.NAME_SERVER: "dns"}


def pppoe_faults(key: str, pppoe: Pppoe) -> Iterator[str]:
    if pppoe.username is None or not _is_word(pppoe.username):
        yield f"{key}.username: needed; 1 to 255 characters on one line"
    if pppoe.password is not None and not _is_word(pppoe.password):
        yield f"{key}.password: 1 to 255 characters on one line"


def _is_word(text: str) -> bool:
    return 1 <= len(text.encode()) <= 255 and text.isprintable()  # RFC 1334 has one byte for the length


def networkd_lines(wan: WanAddress) -> str:
    """The lines that replace ``DHCP=ipv4`` (systemd.network(5))."""
    servers = "".join(f"\nDNS={server}" for server in wan.dns)
    return f"DHCP=no\nAddress={wan.address}\nGateway={wan.gateway}{servers}"


def _interface(text: str | None) -> IPv4Interface | None:
    """``text`` as a host's address; None where its prefix is missing or leaves no room for a router."""
    try:
        address = IPv4Interface(text or "")
    except (AddressValueError, NetmaskValueError):
        return None
    usable = 8 <= address.network.prefixlen <= 31 and _is_host(address.ip, address.network)
    return address if usable and is_routable(address.ip) else None


def _is_host(address: IPv4Address, network: IPv4Network) -> bool:
    ends = () if network.prefixlen == 31 else (network.network_address, network.broadcast_address)  # RFC 3021
    return address in network and address not in ends


def _host(text: str | None) -> IPv4Address | None:
    try:
        address = IPv4Address(text or "")
    except AddressValueError:
        return None
    return address if is_routable(address) else None


def _host6(text: str) -> IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if isinstance(address, IPv6Address) and not address.scope_id and is_routable(address) else None


def carrier_network(match: str, *, tagged: bool) -> str:
    """The .network file for the port under the WAN, which ``match`` selects."""
    return _CARRIER.format(match=match, vlan=f"VLAN={VLAN}\n" if tagged else "")


def vlan_netdev(number: int) -> str:
    """The .netdev file of the VLAN (systemd.netdev(5))."""
    return f"[NetDev]\nName={VLAN}\nKind=vlan\n\n[VLAN]\nId={number}\n"
