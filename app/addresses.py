"""``Address``, ``Network`` and ``Interface``: one type each for IPv4 and IPv6; arithmetic on sets of networks (pure).

msgspec allows a single custom type in a union, so at run time each is an abstract class with both versions registered;
to the type checker it is the plain union.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    collapse_addresses,
)
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network
    Interface = IPv4Interface | IPv6Interface
else:

    class Address(ABC):  # noqa: B024 - only registered classes are ever instances
        pass

    class Network(ABC):  # noqa: B024
        pass

    class Interface(ABC):  # noqa: B024
        pass

    for _abstract, _versions in (
        (Address, (IPv4Address, IPv6Address)),
        (Network, (IPv4Network, IPv6Network)),
        (Interface, (IPv4Interface, IPv6Interface)),
    ):
        for _version in _versions:
            _abstract.register(_version)

Family = Literal[4, 6]

# The networks that "exclude private IPs" calculators omit from AllowedIPs: not routed on the Internet (RFC 6890).
NOT_INTERNET4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
)
_LIMITED_BROADCAST = IPv4Address("255.255.255.255")  # RFC 919
INTERNET6 = IPv6Network("2000::/3")  # RFC 4291, section 2.4


def is_routable(address: Address) -> bool:
    """Whether ``address`` is a unicast address that is reachable beyond its own link."""
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address == _LIMITED_BROADCAST
    )


def is_on_internet(address: Address) -> bool:
    """Whether ``address`` is a host of the Internet: no private one, and none that stands for another (RFC 6890)."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_INTERNET4)
    return address in INTERNET6 and address.sixtofour is None and address.teredo is None


def collapse(networks: Iterable[Network]) -> tuple[Network, ...]:
    """The same addresses in the fewest networks, sorted, IPv4 first: two halves become ``0.0.0.0/0``."""
    found = tuple(networks)
    four = collapse_addresses(n for n in found if isinstance(n, IPv4Network))
    six = collapse_addresses(n for n in found if isinstance(n, IPv6Network))
    return (*four, *six)


def cover_internet(networks: Iterable[Network], family: Family) -> bool:
    """Whether ``networks`` cover every address of the Internet: as the default, two halves, or many parts."""
    if family == 6:
        return any(isinstance(n, IPv6Network) and INTERNET6.subnet_of(n) for n in collapse(networks))
    four = (n for n in networks if isinstance(n, IPv4Network))
    return collapse((*four, *NOT_INTERNET4)) == (IPv4Network("0.0.0.0/0"),)
