"""The rules for the LAN's addresses and names, for backups, stored settings, ``gateway.toml`` and the planner (pure).

Settings that pass are safe to give to nft, dnsmasq and the kernel. Every error is an InvalidFieldError that names the
field as in the settings (``lan.dhcp_start``).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from app.errors import InvalidFieldError
from app.hostnames import LABEL
from app.model import LanSettings

# The LAN's ranges (RFC 1918, RFC 4193). Any other would make the rules for the LAN allow a part of the Internet.
PRIVATE4 = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
PRIVATE6 = IPv6Network("fc00::/7")
# The gateway's own, for the addresses that stand in for a tunnel's resolvers: app.network.plan
RESOLVERS4 = IPv4Network("198.18.53.0/24")  # RFC 2544: never on the Internet
RESOLVERS6 = IPv6Network("fd76:706e:6777:53::/64")

# Names that no host of the LAN must have: others would use it as their proxy or tunnel (CERT VU#598349), or take it for
# themselves (RFC 6761).
RESERVED_NAMES = ("wpad", "isatap", "localhost")

# Domains of one label that the Internet does not have (RFC 8375, ICANN's list of 2018 and 2024): with any other, such
# as "com", the LAN's resolver would answer for all of it.
PRIVATE_DOMAINS = ("lan", "home", "internal", "intranet", "private", "corp", "localdomain", "test")

BRIDGE = "br-lan"  # the LAN of a machine whose ports are one bridge, as the image's are


def check_lan(lan: LanSettings) -> None:
    """Check all of the LAN's settings. Raises InvalidFieldError."""
    check_address(lan.address)
    if lan.ula is not None:
        check_ula(lan.ula)
    network = lan.address.network
    _need(lan.dhcp_start in network, "lan.dhcp_start", "an address of the LAN")
    _need(lan.dhcp_end in network and lan.dhcp_start <= lan.dhcp_end, "lan.dhcp_end", "of the LAN, not below the start")
    _need(120 <= lan.lease_time <= 365 * 86400, "lan.lease_time", "120 seconds to a year")
    check_hostname(lan.hostname, "lan.hostname")
    labels = lan.domain.split(".")
    _need(len(lan.domain) <= 200 and all(map(LABEL.fullmatch, labels)), "lan.domain", "a domain (RFC 1123)")
    own = len(labels) > 1 or lan.domain in PRIVATE_DOMAINS
    _need(own, "lan.domain", f"{', '.join(PRIVATE_DOMAINS)}, or a domain of your own with a dot")


def check_hostname(name: str, field: str) -> None:
    """Check the gateway's own name. Raises InvalidFieldError."""
    _need(bool(LABEL.fullmatch(name)), field, "letters a-z, digits and hyphens, at most 63 (RFC 1123)")
    _need(name not in RESERVED_NAMES, field, f"another name: devices take {name} for their proxy, tunnel or themselves")


def check_address(address: IPv4Interface) -> None:
    """Check the gateway's own address and its network. Raises InvalidFieldError."""
    network = address.network
    private = any(network.subnet_of(n) for n in PRIVATE4)
    _need(private, "lan.address", "the LAN must be in a private range (RFC 1918)")
    _need(network.prefixlen <= 30, "lan.address", "the LAN needs room for a device: a prefix of 8 to 30")
    ends = {network.network_address, network.broadcast_address}
    _need(address.ip not in ends, "lan.address", "the gateway's own address, not the network's or its broadcast")


def dhcp_range(address: IPv4Interface) -> tuple[IPv4Address, IPv4Address]:
    """The larger part of the network below or above the gateway's ``address``, as its first and last address."""
    low, high = address.network.network_address + 1, address.network.broadcast_address - 1
    below, above = (low, address.ip - 1), (address.ip + 1, high)
    return max(below, above, key=lambda part: int(part[1]) - int(part[0]))


def check_ula(ula: IPv6Interface) -> None:
    """Check the gateway's unique local address (RFC 4193). Raises InvalidFieldError."""
    network = ula.network
    _need(network.subnet_of(PRIVATE6) and network.prefixlen == 64, "lan.ula", "a /64 within fc00::/7 (RFC 4193)")
    _need(not network.overlaps(RESOLVERS6), "lan.ula", f"{RESOLVERS6} is in use by the gateway itself")


def _need(good: bool, field: str, expected: str) -> None:
    if not good:
        raise InvalidFieldError(f"{field}: {expected}", field=field)
