"""The parser of the gateway's rulesets, which use a part of the nftables language (pure).

It reads the same text that ``nft -f`` loads. Unsupported syntax raises ``ValueError``: no statement is skipped, so none
can hide a hole. Language: nft(8).
"""

from __future__ import annotations

from typing import Any, Literal

from app.packet_trace.nft_elements import (
    NUMBERS,
    read_collection,
    read_flowtable,
    read_key,
    read_reference,
    read_verdict,
)
from app.packet_trace.nft_model import (
    Chain,
    Collection,
    Count,
    Key,
    Lookup,
    Match,
    Nat,
    NftVerdict,
    NoEffect,
    Ruleset,
    SetMark,
    SetState,
    Statement,
    Vmap,
)
from app.packet_trace.nft_reader import Reader

_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "srcnat": 100}
_MARKS: dict[Key, Literal["mark", "ct_mark"]] = {("meta mark",): "mark", ("ct mark",): "ct_mark"}


def parse(text: str) -> Ruleset:
    """Read a transaction that replaces one table. Raises ValueError for unsupported syntax."""
    read = Reader(text)
    read.take_all("table inet")
    name = read.take()
    read.take_all("{ }")
    read.skip_lines()
    read.take_all(f"delete table inet {name}")
    read.skip_lines()
    read.take_all(f"table inet {name} {{")
    chains: dict[str, Chain] = {}
    collections: dict[str, Collection] = {}
    counters: set[str] = set()
    read.skip_lines()
    while not read.accept("}"):
        match read.take("counter", "set", "map", "flowtable", "chain"):
            case "counter":
                counters.add(read.take())
                read.take_all("{ }")
            case "chain":
                chain = _chain(read)
                chains[chain.name] = chain
            case "flowtable":
                read_flowtable(read)
            case _:
                name = read.take()
                collections[name] = read_collection(read)
        read.skip_lines()
    read.skip_lines()
    if read.next:
        raise ValueError(f"unsupported: {read.next!r} after the table")
    return Ruleset(chains, collections, frozenset(counters))


def _chain(read: Reader) -> Chain:
    name = read.take()
    read.take("{")
    read.skip_lines()
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
        read.skip_lines()
    rules: list[tuple[Statement, ...]] = []
    while not read.accept("}"):
        statements: list[Statement] = []
        while not read.accept("\n"):
            statements.append(_statement(read))
        rules.append(tuple(statements))
        read.skip_lines()
    return Chain(name, tuple(rules), **hook)


def _statement(read: Reader) -> Statement:
    match read.next:
        case "accept" | "drop" | "return" | "jump" | "goto":
            return read_verdict(read)
        case "counter":
            read.take_all("counter name")
            return Count(read.take().strip('"'))
        case "reject":
            read.take_all("reject with")
            if read.accept("tcp"):
                read.take("reset")
                return NftVerdict("reset")
            read.take_all("icmpx admin-prohibited")
            return NftVerdict("reject")
        case "masquerade":
            return _masquerade(read)
        case "add":
            # A limit that a single packet does not reach: the rule ends here.
            read.take_all("add @connections { ether saddr ct count over")
            int(read.take())
            read.take("}")
            return Match(("meta nfproto",), True, Collection({}))
        case "redirect":
            read.take_all("redirect to :")
            return Nat("redirect", port=_port(read))
        case "dnat":
            return _dnat(read)
        case "notrack":
            read.take()
            return SetState("untracked")
        case "flow":
            read.take_all("flow add")
            return NoEffect(f"flow add {read.take()}")
        case _:
            return _field_statement(read)


def _masquerade(read: Reader) -> Nat:
    """The ports of a translation are left out: what it does to the source address decides where a packet goes."""
    read.take("masquerade")
    if read.accept("to"):
        read.take(":")
        read.take()
        read.accept("fully-random")
        return Nat("masquerade")
    read.take("fully-random")
    return Nat("masquerade")


def _port(read: Reader) -> int | Lookup:
    if read.next.isdecimal():
        return int(read.take())
    key = read_key(read)
    read.take("map")
    return Lookup(key, read_reference(read, key, ("th dport",)))


def _dnat(read: Reader) -> Nat:
    read.take("dnat")
    field = "ip daddr" if read.take("ip", "ip6") == "ip" else "ip6 daddr"
    read.take("to")
    key = read_key(read)
    read.take("map")
    return Nat("dnat", Lookup(key, read_reference(read, key, (field,))))


def _field_statement(read: Reader) -> Statement:
    """A statement that begins with a field of the packet: a match, a verdict map, or the setting of a mark."""
    if read.next == "tcp":
        read.take()
        if read.accept("option"):
            read.take_all("maxseg size set")
            key = read_key(read)
            read.take("map")
            return NoEffect(f"maxseg {read_reference(read, key, ('tcp option maxseg size',))}")
        if read.accept("flags"):
            read.take_all("& (")
            if read.accept("fin"):
                read.take_all("| syn | rst | ack )")
            else:
                read.take_all("syn | rst )")
            equal = read.take("==", "!=") == "=="
            read.take("syn")
            return Match(("tcp flags",), equal, Collection({("syn",): None}))
        field = f"tcp {read.take()}"
        if field not in NUMBERS:
            raise ValueError(f"unsupported: {field!r}")
        key = read_key(read, field)
    else:
        key = read_key(read)
    if read.accept("vmap"):
        return Vmap(Lookup(key, read_reference(read, key, ("verdict",))))
    if read.accept("set"):
        which = _MARKS.get(key)
        if which is None:
            raise ValueError(f"unsupported: {key} set")
        if read.next[0].isdigit():
            return SetMark(which, int(read.take(), 0))
        source = read_key(read)
        return SetMark(
            which, Lookup(source, read_reference(read, source, ("meta mark",)) if read.accept("map") else None)
        )
    equal = not read.accept("!=")
    return Match(key, equal, read_reference(read, key))
