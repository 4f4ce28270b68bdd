"""``Address``, ``Network`` and ``Interface``: IPv4 or IPv6, as one type each.

msgspec allows a single custom type in a union, so at run time each is an abstract class with both versions registered;
to the type checker it is the plain union.
"""

from __future__ import annotations

from abc import ABC
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING

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
