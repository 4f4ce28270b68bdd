"""The policy for the addresses of providers' servers: on the Internet, and never in the gateway's LAN (pure)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from ipaddress import IPv6Address

from app.addresses import Address, Network

# The first octets, and the first groups of 2000::/3, with addresses that are not public, or not in every version of
# Python. A list has tens of thousands of addresses: all others need no closer look.
_MIXED4 = frozenset({0, 10, 100, 127, 169, 172, 192, 198, 203, *range(224, 256)})
_MIXED6 = frozenset({0x2001, 0x2002, 0x3FFF})
_UNICAST6 = ipaddress.IPv6Network("2000::/3")  # RFC 4291 2.4 and IANA: all allocated unicast addresses


class BadEntryError(ValueError):
    """An entry is invalid; the message quotes at most short plain text from it."""


class AddressPolicy:
    """Accepts addresses on the Internet or in ``allowed`` networks, and none in ``own`` networks."""

    def __init__(self, own: Iterable[Network] = (), allowed: Iterable[Network] = ()) -> None:
        self._own = tuple(own)
        self._allowed = tuple(allowed)
        self._own4 = tuple((int(n.network_address), int(n.netmask)) for n in self._own if n.version == 4)
        self._own6 = tuple((int(n.network_address), int(n.netmask)) for n in self._own if n.version == 6)

    def address(self, text: object, version: int, what: str) -> str:
        """``text`` in its canonical form. Raises BadEntryError."""
        if isinstance(text, str) and (plain := self._public(text, version)) is not None:
            return plain
        try:
            address: Address = ipaddress.ip_address(str(text))
        except ValueError:
            raise BadEntryError(f"{what} is not an IP address") from None
        if address.version != version:
            raise BadEntryError(f"{what} is not an IPv{version} address")
        if any(address.version == n.version and address in n for n in self._own):
            raise BadEntryError(f"{what} is in this gateway's own LAN")
        public = address.is_global and not (address.is_multicast or address.is_reserved)
        if isinstance(address, IPv6Address):
            # Python's is_global accepts translated addresses (RFC 6052, RFC 3056), which can be any IPv4 address.
            public = public and address in _UNICAST6 and address.sixtofour is None and address.teredo is None
        if not public and not any(address.version == n.version and address in n for n in self._allowed):
            raise BadEntryError(f"{what} is not on the Internet")
        return str(address)

    def _public(self, text: str, version: int) -> str | None:
        """The canonical form of an address that is public and nobody's own at first sight; None = look closer."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            packed = socket.inet_pton(family, text)
        except (OSError, ValueError):  # also a name with a zero byte
            return None
        if version == 4:
            mixed, own = packed[0] in _MIXED4, self._own4
        else:
            group = packed[0] << 8 | packed[1]
            mixed, own = not 0x2000 <= group <= 0x3FFF or group in _MIXED6, self._own6
        if mixed:
            return None
        if own:
            number = int.from_bytes(packed)
            if any(number & mask == network for network, mask in own):
                return None
        return socket.inet_ntop(family, packed)
