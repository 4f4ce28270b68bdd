"""The policy for the addresses of providers' servers: on the Internet, and never in the gateway's LAN (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv6Address

from app.addresses import Address, Network

_UNICAST6 = ipaddress.IPv6Network("2000::/3")  # RFC 4291 2.4 and IANA: all allocated unicast addresses


class BadEntryError(ValueError):
    """An entry is invalid; the message quotes at most short plain text from it."""


class AddressPolicy:
    """Accepts addresses on the Internet or in ``allowed`` networks, and none in ``own`` networks."""

    def __init__(self, own: Iterable[Network] = (), allowed: Iterable[Network] = ()) -> None:
        self._own = tuple(own)
        self._allowed = tuple(allowed)

    def address(self, text: object, version: int, what: str) -> str:
        """``text`` in its canonical form. Raises BadEntryError."""
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
