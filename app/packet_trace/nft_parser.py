"""The part of the nftables language that the gateway's rulesets are written in, read into a model (pure).

What is read is the very text that ``nft -f`` loads. Anything that is not understood raises ``ValueError``: a statement
is never skipped, so no hole can hide behind one. Language: nft(8).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Literal

from msgspec import Struct

from app.addresses import Address, Network

Value = str | int | Address | None
Key = tuple[str, ...]  # a concatenation of packet fields

_TOKEN = re.compile(r'"[^"]*"|!=|==|[ \t]+|::[0-9a-f:]*(?:/\d+)?|[{}(),;&|=:]|[\w@./-][\w@./:-]*|\n')
_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "srcnat": 100}
_TWO_WORDS = {"ip", "ip6", "ether", "meta", "ct", "th", "tcp", "udp", "icmp", "icmpv6"}
_ADDRESSES = {"ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr"}
_NUMBERS = {"meta mark", "ct mark", "th dport", "tcp dport", "udp dport", "udp sport", "meta skuid"}
_NAMES = {"iifname", "oifname", "ether saddr", "meta nfproto", "meta l4proto", "ct state", "icmp type", "icmpv6 type"}

_MARKS: dict[Key, Literal["mark", "ct_mark"]] = {("meta mark",): "mark", ("ct mark",): "ct_mark"}

# --- what a ruleset is made of ---------------------------------------------------------------------------------------


class Table(Struct, frozen=True):
    """A set (values None) or a map, by exact key, with whole networks beside."""

    exact: dict[tuple[Value, ...], object]
    networks: tuple[tuple[Network, object], ...] = ()

    def find(self, key: tuple[Value, ...]) -> tuple[bool, object]:
        if key in self.exact:
            return True, self.exact[key]
        if len(key) == 1 and isinstance(key[0], IPv4Address | IPv6Address):
            for network, value in self.networks:
                if key[0].version == network.version and key[0] in network:
                    return True, value
        return False, None


class Verdict(Struct, frozen=True):
    kind: Literal["accept", "drop", "reject", "reset", "return", "jump", "goto"]
    target: str = ""


class Match(Struct, frozen=True):
    key: Key
    equal: bool
    table: Table | str  # or the name of a set


class Lookup(Struct, frozen=True):
    """A value: ``key``'s own, or what the map has for it."""

    key: Key
    table: Table | str | None = None


class SetMark(Struct, frozen=True):
    which: Literal["mark", "ct_mark"]
    value: int | Lookup


class Vmap(Struct, frozen=True):
    lookup: Lookup


class Count(Struct, frozen=True):
    name: str


class Nat(Struct, frozen=True):
    """``dnat`` to the first address (the choice among several is no matter of safety), ``redirect``, ``masquerade``."""

    kind: Literal["dnat", "redirect", "masquerade"]
    addresses: tuple[Address, ...] = ()
    port: int | Lookup | None = None


class Nothing(Struct, frozen=True):
    """A statement that changes no packet's way: MSS clamping, offload of flows that are allowed already."""

    text: str


Statement = Match | SetMark | Vmap | Count | Nat | Verdict | Nothing


class Chain(Struct, frozen=True):
    name: str
    rules: tuple[tuple[Statement, ...], ...]
    hook: str = ""  # empty: reached from others only
    kind: str = ""
    priority: int = 0
    policy: Literal["accept", "drop"] = "accept"


class Ruleset(Struct, frozen=True):
    chains: dict[str, Chain]
    tables: dict[str, Table]
    counters: frozenset[str]

    def at(self, hook: str) -> list[Chain]:
        return sorted((c for c in self.chains.values() if c.hook == hook), key=lambda c: c.priority)


# --- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.next
        if not token or (expected and token not in expected):
            raise ValueError(
                f"not understood: {token!r} after {' '.join(self._tokens[max(0, self._at - 6) : self._at])}"
            )
        self._at += 1
        return token

    def take_all(self, text: str) -> None:
        for word in text.split():
            self.take(word)

    def accept(self, token: str) -> bool:
        if self.next == token:
            self._at += 1
            return True
        return False

    def lines(self) -> None:
        while self.next in {"\n", ";"}:
            self._at += 1


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    end = 0
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None:
            raise ValueError(f"not understood: {text[end : end + 20]!r}")
        if match[0].strip(" \t"):
            found.append(match[0])
        end = match.end()
    return found


def parse(text: str) -> Ruleset:
    """Read a transaction that replaces one table. Raises ValueError on anything that is not understood."""
    read = _Reader(text)
    read.take_all("table inet")
    name = read.take()
    read.take_all("{ }")
    read.lines()
    read.take_all(f"delete table inet {name}")
    read.lines()
    read.take_all(f"table inet {name} {{")
    chains: dict[str, Chain] = {}
    tables: dict[str, Table] = {}
    counters: set[str] = set()
    read.lines()
    while not read.accept("}"):
        match read.take("counter", "set", "map", "flowtable", "chain"):
            case "counter":
                counters.add(read.take())
                read.take_all("{ }")
            case "chain":
                chain = _chain(read)
                chains[chain.name] = chain
            case "flowtable":
                _flowtable(read)
            case _:
                name = read.take()
                tables[name] = _table(read)
        read.lines()
    read.lines()
    if read.next:
        raise ValueError(f"not understood: {read.next!r} after the table")
    return Ruleset(chains, tables, frozenset(counters))


def _table(read: _Reader) -> Table:
    read.take("{")
    read.lines()
    read.take("typeof")
    key = _key(read)
    value = _key(read) if read.accept(":") else None
    read.lines()
    if read.accept("flags"):
        read.take("interval")
        read.lines()
    elements = Table({})
    if read.accept("elements"):
        read.take("=")
        elements = _elements(read, key, value)
        read.lines()
    read.take("}")
    return elements


def _flowtable(read: _Reader) -> None:
    read.take()
    read.take("{")
    read.lines()
    read.take_all("hook ingress priority filter")
    read.lines()
    read.take_all("devices =")
    _elements(read, ("iifname",), None)
    read.lines()
    read.take("}")


def _elements(read: _Reader, key: Key, value: Key | None) -> Table:
    """``{ ... }``, or a single element, or several with commas between, without braces."""
    exact: dict[tuple[Value, ...], object] = {}
    networks: list[tuple[Network, object]] = []
    braces = read.accept("{")
    while True:
        if braces:
            read.lines()
        parts = [_value(read.take(), key[0])]
        for field in key[1:]:
            read.take(".")
            parts.append(_value(read.take(), field))
        result: object = None
        if value is not None:
            read.take(":")
            result = _verdict(read) if value == ("verdict",) else _value(read.take(), value[0])
        first = parts[0]
        if len(parts) == 1 and isinstance(first, IPv4Network | IPv6Network):
            networks.append((first, result))
        else:
            exact[_exact(parts)] = result
        if braces:
            read.lines()
            if read.accept("}"):
                break
            read.take(",")
        elif not read.accept(","):
            break
    return Table(exact, tuple(networks))


def _exact(parts: Sequence[Value | Network]) -> tuple[Value, ...]:
    found: list[Value] = []
    for part in parts:
        if isinstance(part, IPv4Network | IPv6Network):
            raise ValueError("a network within a concatenation is not understood")
        found.append(part)
    return tuple(found)


def _value(token: str, field: str) -> Value | Network:
    if field in _ADDRESSES:
        return ip_network(token) if "/" in token else ip_address(token)
    if field in _NUMBERS:
        return int(token, 0)
    if field in _NAMES:
        return token.strip('"')
    raise ValueError(f"not understood: a value of {field!r}")


def _field(read: _Reader) -> str:
    word = read.take()
    field = f"{word} {read.take()}" if word in _TWO_WORDS else word
    if field not in _ADDRESSES | _NUMBERS | _NAMES | {"tcp flags", "verdict"}:
        raise ValueError(f"not understood: {field!r}")
    return field


def _key(read: _Reader, first: str | None = None) -> Key:
    fields = [first or _field(read)]
    while read.accept("."):
        fields.append(_field(read))
    return tuple(fields)


def _reference(read: _Reader, key: Key, value: Key | None = None) -> Table | str:
    """``@name``, or elements on the spot."""
    return read.take()[1:] if read.next.startswith("@") else _elements(read, key, value)


def _chain(read: _Reader) -> Chain:
    name = read.take()
    read.take("{")
    read.lines()
    hook: dict[str, Any] = {}
    if read.accept("type"):
        hook["kind"] = read.take("filter", "nat", "route")
        read.take("hook")
        hook["hook"] = read.take("prerouting", "input", "forward", "output", "postrouting")
        read.take("priority")
        priority = read.take()
        hook["priority"] = _PRIORITIES[priority] if priority in _PRIORITIES else int(priority)
        read.take_all("; policy")
        hook["policy"] = read.take("accept", "drop")
        read.take(";")
        read.lines()
    rules: list[tuple[Statement, ...]] = []
    while not read.accept("}"):
        statements: list[Statement] = []
        while not read.accept("\n"):
            statements.append(_statement(read))
        rules.append(tuple(statements))
        read.lines()
    return Chain(name, tuple(rules), **hook)


def _verdict(read: _Reader) -> Verdict:
    match read.take("accept", "drop", "return", "jump", "goto"):
        case ("jump" | "goto") as kind:
            return Verdict(kind, read.take())
        case ("accept" | "drop" | "return") as kind:
            return Verdict(kind)
        case other:
            raise ValueError(f"not understood: {other!r}")


def _statement(read: _Reader) -> Statement:
    match read.next:
        case "accept" | "drop" | "return" | "jump" | "goto":
            return _verdict(read)
        case "counter":
            read.take_all("counter name")
            return Count(read.take().strip('"'))
        case "reject":
            read.take_all("reject with")
            if read.accept("tcp"):
                read.take("reset")
                return Verdict("reset")
            read.take_all("icmpx admin-prohibited")
            return Verdict("reject")
        case "masquerade":
            read.take_all("masquerade fully-random")
            return Nat("masquerade")
        case "redirect":
            read.take_all("redirect to :")
            return Nat("redirect", port=_port(read))
        case "dnat":
            return _dnat(read)
        case "flow":
            read.take_all("flow add")
            return Nothing(f"flow add {read.take()}")
        case _:
            return _about(read)


def _port(read: _Reader) -> int | Lookup:
    if read.next.isdecimal():
        return int(read.take())
    key = _key(read)
    read.take("map")
    return Lookup(key, _reference(read, key, ("th dport",)))


def _dnat(read: _Reader) -> Nat:
    read.take("dnat")
    field = "ip daddr" if read.take("ip", "ip6") == "ip" else "ip6 daddr"
    read.take("to")
    if not read.accept("numgen"):
        address = _value(read.take(), field)
        assert isinstance(address, IPv4Address | IPv6Address)
        return Nat("dnat", (address,))
    read.take_all("inc mod")
    count = int(read.take())
    read.take("map")
    choices = _elements(read, ("meta mark",), (field,)).exact  # numbers to addresses
    if set(choices) != {(n,) for n in range(count)}:
        raise ValueError("numgen without an address for each number")
    return Nat("dnat", tuple(a for a in choices.values() if isinstance(a, IPv4Address | IPv6Address)))


def _about(read: _Reader) -> Statement:
    """What begins with a field of the packet: a match, a verdict map, or the setting of a mark."""
    if read.next == "tcp":
        read.take()
        if read.accept("option"):
            read.take_all("maxseg size set")
            return Nothing(f"maxseg {int(read.take())}")
        if read.accept("flags"):
            read.take_all("& ( syn | rst )")
            equal = read.take("==", "!=") == "=="
            read.take("syn")
            return Match(("tcp flags",), equal, Table({("syn",): None}))
        field = f"tcp {read.take()}"
        if field not in _NUMBERS:
            raise ValueError(f"not understood: {field!r}")
        key = _key(read, field)
    else:
        key = _key(read)
    if read.accept("vmap"):
        return Vmap(Lookup(key, _reference(read, key, ("verdict",))))
    if read.accept("set"):
        which = _MARKS.get(key)
        if which is None:
            raise ValueError(f"not understood: {key} set")
        if read.next[0].isdigit():
            return SetMark(which, int(read.take(), 0))
        source = _key(read)
        return SetMark(which, Lookup(source, _reference(read, source, ("meta mark",)) if read.accept("map") else None))
    equal = not read.accept("!=")
    return Match(key, equal, _reference(read, key))
