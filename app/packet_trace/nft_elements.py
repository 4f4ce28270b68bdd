"""The parser of fields, values, sets and maps of a ruleset (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec.structs import replace

from app.addresses import Network
from app.network.plan import TimedElement
from app.packet_trace.nft_model import Collection, Key, NftVerdict, Ruleset, Value
from app.packet_trace.nft_reader import Reader

_TWO_WORDS = {"ip", "ip6", "ether", "meta", "ct", "th", "tcp", "udp", "icmp", "icmpv6"}
_ADDRESSES = {"ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr"}
NUMBERS = {
    "meta mark",
    "ct mark",
    "th dport",
    "tcp dport",
    "udp dport",
    "udp sport",
    "tcp sport",
    "th sport",
    "meta skuid",
    "tcp option maxseg size",
}
_NAMES = {"iifname", "oifname", "ether saddr", "meta nfproto", "meta l4proto", "ct state", "icmp type", "icmpv6 type"}


def read_collection(read: Reader) -> Collection:
    read.take("{")
    read.skip_lines()
    read.take("typeof")
    key = read_key(read)
    value = read_key(read) if read.accept(":") else None
    read.skip_lines()
    if read.accept("size"):
        read.take()
        read.skip_lines()
    if read.accept("flags"):
        read.take("interval", "dynamic", "timeout")
        read.skip_lines()
    elements = Collection({})
    if read.accept("elements"):
        read.take("=")
        elements = read_elements(read, key, value)
        read.skip_lines()
    read.take("}")
    return elements


def read_flowtable(read: Reader) -> None:
    read.take()
    read.take("{")
    read.skip_lines()
    read.take_all("hook ingress priority filter")
    read.skip_lines()
    read.take_all("devices =")
    read_elements(read, ("iifname",), None)
    read.skip_lines()
    read.take("}")


def read_elements(read: Reader, key: Key, value: Key | None) -> Collection:
    """The elements in ``{ ... }``, or without braces a single one or several with commas between."""
    exact: dict[tuple[Value, ...], object] = {}
    networks: list[tuple[tuple[Value | Network, ...], object]] = []
    braces = read.accept("{")
    while True:
        if braces:
            read.skip_lines()
        first_token = read.take()
        if len(key) == 1 and key[0] in NUMBERS and "-" in first_token:
            start, _, end = first_token.partition("-")
            exact |= {(number,): None for number in range(int(start, 0), int(end, 0) + 1)}
            break  # a range stands alone
        parts = [read_value(first_token, key[0])]
        for field in key[1:]:
            read.take(".")
            parts.append(read_value(read.take(), field))
        result: object = None
        if value is not None:
            read.take(":")
            result = read_verdict(read) if value == ("verdict",) else read_value(read.take(), value[0])
        values = tuple(p for p in parts if not isinstance(p, IPv4Network | IPv6Network))
        if len(values) == len(parts):
            exact[values] = result
        else:
            networks.append((tuple(parts), result))
        if braces:
            read.skip_lines()
            if read.accept("}"):
                break
            read.take(",")
        elif not read.accept(","):
            break
    return Collection(exact, tuple(networks))


def read_value(token: str, field: str) -> Value | Network:
    if field in _ADDRESSES:
        return ip_network(token) if "/" in token else ip_address(token)
    if field in NUMBERS:
        return int(token, 0)
    if field in _NAMES:
        return token.strip('"')
    raise ValueError(f"unsupported: a value of {field!r}")


def _field(read: Reader) -> str:
    word = read.take()
    field = f"{word} {read.take()}" if word in _TWO_WORDS else word
    if field == "tcp option":
        read.take_all("maxseg size")
        field = "tcp option maxseg size"
    if field not in _ADDRESSES | NUMBERS | _NAMES | {"tcp flags", "verdict"}:
        raise ValueError(f"unsupported: {field!r}")
    return field


def read_key(read: Reader, first: str | None = None) -> Key:
    fields = [first or _field(read)]
    while read.accept("."):
        fields.append(_field(read))
    return tuple(fields)


def read_reference(read: Reader, key: Key, value: Key | None = None) -> Collection | str:
    """The name in ``@name``, or the elements of an anonymous set or map."""
    return read.take()[1:] if read.next.startswith("@") else read_elements(read, key, value)


def read_verdict(read: Reader) -> NftVerdict:
    match read.take("accept", "drop", "return", "jump", "goto"):
        case ("jump" | "goto") as kind:
            return NftVerdict(kind, read.take())
        case ("accept" | "drop" | "return") as kind:
            return NftVerdict(kind)
        case other:
            raise ValueError(f"unsupported: {other!r}")


def with_elements(ruleset: Ruleset, elements: Iterable[TimedElement]) -> Ruleset:
    """``ruleset`` with ``elements``, none of which has ended."""
    collections = dict(ruleset.collections)
    for element in elements:
        before = collections[element.collection]
        key = tuple(part.strip('"') if isinstance(part, str) else part for part in element.key)
        collections[element.collection] = Collection({**before.exact, key: element.value}, before.networks)
    return replace(ruleset, collections=collections)
