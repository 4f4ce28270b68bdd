"""The elements of sets and maps as the kernel keeps them (pure). linux/netfilter/nf_tables.h.

What is encoded here is compared with the kernel after each load, so an encoding that another version of nft or of the
kernel changes is noticed before it is used.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from app.network.netlink_raw import attribute
from app.network.nft_layout import SetLayout

_KEY, _DATA, _TIMEOUT, _KEY_END = 1, 2, 4, 10  # NFTA_SET_ELEM_*
_VALUE, _VERDICT = 1, 2  # NFTA_DATA_*
_CODE, _CHAIN = 1, 2  # NFTA_VERDICT_*
_CODES = {"drop": 0, "accept": 1, "jump": -3, "goto": -4, "return": -5}
_PROTOCOLS = {"ipv4": 2, "ipv6": 10}  # NFPROTO_*
_IFNAMSIZ = 16

_Encoder = Callable[[str], bytes]


def _number(text: str) -> bytes:
    return struct.pack("=I", int(text, 0))


def _port(text: str) -> bytes:
    return struct.pack(">H", int(text))


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _link(text: str) -> bytes:
    return text.strip('"').encode().ljust(_IFNAMSIZ, b"\0")


def _address(text: str) -> bytes:
    return ip_address(text).packed


def _protocol(text: str) -> bytes:
    return bytes((_PROTOCOLS[text],))


_NUMBERS = frozenset({"meta mark", "ct mark", "meta skuid"})
_FIELDS: dict[str, _Encoder] = {
    "ether saddr": _mac,
    "meta nfproto": _protocol,
    "iifname": _link,
    "oifname": _link,
    "tcp option maxseg size": _port,
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(("ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr"), _address),
    **dict.fromkeys(("th dport", "tcp dport", "udp dport"), _port),
}


class UnknownFieldError(ValueError):
    """An element of a kind that this module cannot encode."""


@functools.cache
def _encoder(field: str) -> _Encoder:
    if field not in _FIELDS:
        raise UnknownFieldError(field)
    return functools.lru_cache(4096)(_FIELDS[field])


@functools.cache
def _around(kind: int, length: int) -> tuple[bytes, bytes]:
    whole = attribute(kind, attribute(_VALUE, bytes(length)))
    return whole[:8], whole[8 + length :]


def _wrapped(kind: int, value: bytes) -> bytes:
    """``value`` in the attribute ``kind``. There are a thousand of a few lengths."""
    head, tail = _around(kind, len(value))
    return head + value + tail


def _verdict(text: str) -> bytes:
    word, _, chain = text.partition(" ")
    inner = attribute(_CODE, struct.pack(">i", _CODES[word]))
    return attribute(_VERDICT, inner + (attribute(_CHAIN, chain.encode() + b"\0") if chain else b""))


def _concatenated(fields: tuple[str, ...], parts: list[str], *, last: bool = False, swapped: bool) -> bytes:
    """A concatenation: each part is padded to four bytes. ``swapped``: numbers are big-endian where ranges are."""
    found = b""
    for field, part in zip(fields, parts, strict=True):
        if "/" in part:
            network = ip_network(part)
            value = (network.broadcast_address if last else network.network_address).packed
        else:
            value = _encoder(field)(part)
            if swapped and field in _NUMBERS:
                value = value[::-1] if struct.pack("=H", 1) == b"\1\0" else value
        found += value + b"\0" * (-len(value) % 4)
    return found


def key(layout: SetLayout, text: str) -> bytes:
    """The key of an element as attributes; all that its deletion needs."""
    if len(layout.key) == 1:
        return _wrapped(_KEY, _encoder(layout.key[0])(text))
    parts = text.split(" . ")
    ranges = layout.flags == "interval"
    found = _wrapped(_KEY, _concatenated(layout.key, parts, swapped=ranges))
    if ranges:
        found += _wrapped(_KEY_END, _concatenated(layout.key, parts, last=True, swapped=True))
    return found


def element(layout: SetLayout, text: str, value: str, timeout: float | None = None) -> bytes:
    """An element as the kernel takes it and lists it. Raises UnknownFieldError."""
    found = key(layout, text) + _data(layout, value)
    if timeout is not None:
        found += attribute(_TIMEOUT, struct.pack(">Q", max(1, int(timeout * 1000))))
    return found


def _data(layout: SetLayout, value: str) -> bytes:
    """What a map says for a key; nothing in a set."""
    if layout.value is None:
        return b""
    if layout.value == "verdict":
        return attribute(_DATA, _verdict(value))
    return _wrapped(_DATA, _encoder(layout.value)(value))


def every_element(layout: SetLayout) -> frozenset[bytes]:
    """All elements as the kernel lists them: a thousand devices with a few marks. Raises UnknownFieldError."""
    data = {value: _data(layout, value) for value in set(layout.elements.values())}
    return frozenset([key(layout, text) + data[value] for text, value in layout.elements.items()])
