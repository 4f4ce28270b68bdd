"""Parsers of single values: text as people and providers write it -> a model value, or :class:`BadValueError`.

The .conf parser and the API's own fields go through the same functions, so that both refuse the same things. Reasons
quote the value only where it can hold no key (:func:`shown`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TypeVar

from app import keys
from app.addresses import Address, Interface, Network
from app.model import Endpoint, Secret

T = TypeVar("T")

MIN_MTU = 576  # bytes; RFC 791: what every IPv4 host must take
MIN_MTU_IPV6 = 1280  # bytes; RFC 8200 section 5: the kernel turns IPv6 off on a smaller link
MAX_MTU = 9200  # bytes; jumbo frames

MAX_ADDRESSES = 16
MAX_RESOLVERS = 16
MAX_ALLOWED_IPS = 1024

_NUMBER = re.compile(r"[0-9]{1,10}")
_DNS_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")  # RFC 2181 section 11; home_vpn, _udp
_SEPARATORS = re.compile(r"[\s,]+")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_MAY_BE_PART_OF_A_KEY = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_MAY_BE_A_KEY = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_LINK_LOCAL6 = ipaddress.IPv6Network("fe80::/10")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")


class BadValueError(ValueError):
    """A value cannot be used; the message says why and holds no secret."""


def shown(value: str) -> str:
    """``value`` quoted for a message: short, printable, and nothing in it that may be a part of a key."""
    return _quoted(_MAY_BE_PART_OF_A_KEY.sub("***", value[:400]))


def shown_command(value: str) -> str:
    """``value`` quoted for a message; of a command, which has paths and long words, only possible keys are hidden."""
    return _quoted(_MAY_BE_A_KEY.sub("***", value[:400]))


def _quoted(value: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in value)
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'


# --- Keys ------------------------------------------------------------------------------------------------------------


def private_key(text: str) -> Secret:
    try:
        keys.decode_key(text)
    except keys.InvalidKeyError as error:
        raise BadValueError(str(error)) from None
    return Secret(text)


preshared_key = private_key  # 32 bytes of the same form; all zeros would mean "none" to the kernel


def public_key(text: str) -> str:
    try:
        return keys.check_public_key(text)
    except keys.InvalidKeyError as error:
        raise BadValueError(str(error)) from None


# --- Numbers ---------------------------------------------------------------------------------------------------------


def _number(text: str, low: int, high: int, what: str) -> int:
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise BadValueError(f"{shown(text)} is not {what} between {low} and {high}")
    return int(text)


def port(text: str) -> int:
    return _number(text, 1, 65535, "a port")


def listen_port(text: str) -> int | None:
    """A UDP port; None for 0: the kernel chooses."""
    return _number(text, 0, 65535, "a port") or None


def mtu(text: str) -> int:
    return _number(text, MIN_MTU, MAX_MTU, "an MTU in bytes")


def keepalive(text: str) -> int:
    """Seconds; 0 for ``off``."""
    return 0 if text.lower() == "off" else _number(text, 0, 65535, "a number of seconds (or off)")


# --- Addresses -------------------------------------------------------------------------------------------------------


def _items(text: str, limit: int, what: str) -> list[str]:
    items = [item.strip() for item in text.split(",", limit)]
    if len(items) > limit:
        raise BadValueError(f"more than {limit} {what}")
    if not all(items):
        raise BadValueError("it is empty" if items == [""] else "there is nothing between two commas")
    return items


def _words(text: str, limit: int, what: str) -> list[str]:
    """The items as wg-quick(8) splits Address and DNS: at commas and blanks alike, however many there are."""
    items = [item for item in _SEPARATORS.split(text, limit + 1) if item]
    if len(items) > limit:
        raise BadValueError(f"more than {limit} {what}")
    return items


def _each(items: list[str], parse_one: Callable[[str], T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(map(parse_one, items)))


def _refuse_unusable(address: Address, text: str) -> None:
    """Refuse an address that no host can have; raises :class:`BadValueError`."""
    if address.is_multicast:
        raise BadValueError(f"{shown(text)} is a multicast address")
    if address.is_loopback:
        raise BadValueError(f"{shown(text)} is a loopback address")
    if address.is_unspecified:
        raise BadValueError(f"{shown(text)} is the unspecified address")
    if isinstance(address, ipaddress.IPv4Address):
        if address == ipaddress.IPv4Address("255.255.255.255"):
            raise BadValueError(f"{shown(text)} is the broadcast address")
        if address.is_reserved or address in _THIS_NETWORK:
            raise BadValueError(f"{shown(text)} is in a reserved range")
    elif address.ipv4_mapped is not None:
        raise BadValueError(f"{shown(text)} is an IPv4 address written as IPv6; write it as IPv4")


def address(text: str) -> Address:
    """A usable host address without prefix or zone."""
    try:
        value = ipaddress.ip_address(text)
    except ValueError:
        raise BadValueError(f"{shown(text)} is not an IP address") from None
    if "%" in text:
        raise BadValueError(f"{shown(text)} has a zone, which means nothing here")
    _refuse_unusable(value, text)
    return value


def interface(text: str) -> Interface:
    """``10.0.0.2/24`` with its host bits; without a prefix it is one address, as for wg-quick(8)."""
    try:
        value = ipaddress.ip_interface(text)
    except ValueError:
        raise BadValueError(f"{shown(text)} is not an IP address, with or without a prefix length") from None
    if "%" in text:
        raise BadValueError(f"{shown(text)} has a zone, which means nothing here")
    if not text.partition("/")[2].isdecimal() and "/" in text:
        raise BadValueError(f"{shown(text)}: write the prefix as a length, such as /24")
    _refuse_unusable(value.ip, text)
    network = value.network
    if network.prefixlen < 8:
        raise BadValueError(f"{shown(text)}: a prefix shorter than /8 is too wide for a tunnel's network")
    if network.version == 4 and network.prefixlen < 31 and value.ip == network.broadcast_address:
        raise BadValueError(f"{shown(text)} is the broadcast address of its network")
    return value


def network(text: str) -> Network:
    """``10.0.0.0/8``, ``::0/0``; host bits are cleared, no prefix means one address, both as wg(8) does it."""
    if "%" not in text:
        prefix = text.partition("/")[2]
        try:
            if "/" not in text or prefix.isdecimal():
                return ipaddress.ip_network(text, strict=False)
        except ValueError:
            pass
    several = "; separate several with commas" if any(c.isspace() for c in text) else ""
    raise BadValueError(f"{shown(text)} is not a network such as 10.0.0.0/8 or ::/0{several}")


def interfaces(text: str) -> tuple[Interface, ...]:
    """Addresses between commas or blanks; none where there is nothing else."""
    return _each(_words(text, MAX_ADDRESSES, "addresses"), interface)


def networks(text: str) -> tuple[Network, ...]:
    """Networks between commas alone: wg(8), which reads them, closes up the blanks."""
    return _each(_items(text, MAX_ALLOWED_IPS, "networks"), network)


def resolvers(text: str) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """DNS servers and, apart from them, the search domains that wg-quick(8) allows in the same list."""
    addresses: list[Address] = []
    domains: list[str] = []
    for item in _words(text, MAX_RESOLVERS, "DNS entries"):
        if _looks_like_address(item):
            addresses.append(address(item))
        else:
            domains.append(_search_domain(item))
    return tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(domains))


# --- Names and endpoints ---------------------------------------------------------------------------------------------


def _looks_like_address(text: str) -> bool:
    """Whether resolvers would read ``text`` as an address: a colon, or a last label that is a number (``127.1``)."""
    return ":" in text or _NUMERIC_LABEL.fullmatch(text.rstrip(".").rpartition(".")[2]) is not None


def domain(text: str) -> str:
    """A DNS name, lower case, without the final dot; with ``_``, which resolvers look up though RFC 1123 has none."""
    name = text.removesuffix(".").lower()
    if not name or len(name) > 253 or not all(_DNS_LABEL.fullmatch(label) for label in name.split(".")):
        raise BadValueError(f"{shown(text)} is neither an IP address nor a host name")
    return name


def _search_domain(text: str) -> str:
    """A search domain; ``~`` before it means that only names in it are asked for, as for systemd.network(5)."""
    return domain(text.removeprefix("~"))


def _host(text: str) -> str:
    if _looks_like_address(text):
        return str(address(text))
    name = domain(text)
    if name == "localhost" or name.endswith(".localhost"):
        raise BadValueError(f"{shown(text)} is this machine itself")
    return name


def _host6(text: str) -> str:
    literal, percent, zone = text.partition("%")
    try:
        value = ipaddress.IPv6Address(literal)
    except ValueError:
        raise BadValueError(f"{shown(text)} in brackets is not an IPv6 address") from None
    _refuse_unusable(value, literal)
    if not percent:
        return str(value)
    if value not in _LINK_LOCAL6 or not _ZONE.fullmatch(zone):
        raise BadValueError(f"{shown(text)}: only a link-local address has a zone, and it is an interface's name")
    return f"{value}%{zone}"


def endpoint(text: str) -> Endpoint:
    """``192.0.2.1:51820``, ``[2001:db8::1]:51820``, ``[fe80::1%eth0]:51820`` or ``vpn.example.net:51820``."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise BadValueError(f"{shown(text)} is not [IPv6 address]:port")
        return Endpoint(host=_host6(host), port=port(rest[1:]))
    host, colon, number = text.rpartition(":")
    if not colon or not host:
        raise BadValueError(f"{shown(text)} is not host:port")
    if ":" in host:
        raise BadValueError(f"{shown(text)}: write an IPv6 address in brackets, [address]:port")
    return Endpoint(host=_host(host), port=port(number))
