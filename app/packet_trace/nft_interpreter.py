"""The interpreter of rulesets: runs the model of :mod:`app.packet_trace.nft_model` on a packet (pure).

Semantics: nft(8). A match on a header that the packet does not have ends its rule, with any operator; so does a look-up
without a result.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import msgspec
from msgspec import Struct

from app.addresses import Address
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
    Value,
    Vmap,
)
from app.packet_trace.packet import Packet


def field_of(packet: Packet, field: str) -> Value:
    """The value of the packet's ``field``; None where it has no such field."""
    four = packet.family == 4
    match field:
        case "iifname":
            return packet.iif
        case "oifname":
            return packet.oif
        case "ip saddr":
            return packet.src if four else None
        case "ip daddr":
            return packet.dst if four else None
        case "ip6 saddr":
            return None if four else packet.src
        case "ip6 daddr":
            return None if four else packet.dst
        case "ether saddr":
            return packet.mac or None
        case "meta mark":
            return packet.mark
        case "ct mark":
            return packet.ct_mark
        case "ct state":
            return packet.ct_state
        case "meta nfproto":
            return f"ipv{packet.family}"
        case "meta l4proto":
            return packet.proto
        case "meta skuid":
            return None if packet.iif else packet.uid
        case "th dport":
            return packet.dport if packet.proto in {"tcp", "udp"} else None
        case "tcp dport":
            return packet.dport if packet.proto == "tcp" else None
        case "udp dport":
            return packet.dport if packet.proto == "udp" else None
        case "udp sport":
            return packet.sport if packet.proto == "udp" else None
        case "tcp sport":
            return packet.sport if packet.proto == "tcp" else None
        case "th sport":
            return packet.sport if packet.proto in {"tcp", "udp"} else None
        case "tcp flags":
            return ("syn" if packet.syn else "other") if packet.proto == "tcp" else None
        case "icmp type":
            return packet.icmp_type if packet.proto == "icmp" else None
        case "icmpv6 type":
            return packet.icmp_type if packet.proto == "icmpv6" else None
        case _:
            raise ValueError(f"unsupported: {field!r}")


class ChainResult(Struct, frozen=True):
    """The result of a base chain for a packet."""

    verdict: Literal["accept", "drop", "reject", "reset"]
    packet: Packet
    counted: tuple[str, ...]
    nat: Nat | None = None  # requested by a nat chain; the caller knows the addresses


def run(ruleset: Ruleset, base: Chain, packet: Packet) -> ChainResult:
    """Run ``base`` and the chains that it jumps to on ``packet``. Raises ValueError; KeyError for an unknown name."""
    evaluation = Evaluation(ruleset, packet)
    verdict = evaluation.chain(base) or NftVerdict(base.policy)
    match verdict.kind:
        case ("accept" | "drop" | "reject" | "reset") as kind:
            return ChainResult(kind, evaluation.packet, tuple(evaluation.counted), evaluation.nat)
        case other:
            raise ValueError(f"{other!r} is not a final verdict")


class Evaluation:
    """The run of one base chain on one packet."""

    def __init__(self, ruleset: Ruleset, packet: Packet) -> None:
        self._ruleset = ruleset
        self.packet = packet
        self.counted: list[str] = []
        self.nat: Nat | None = None

    def chain(self, chain: Chain) -> NftVerdict | None:
        """The final verdict, or None where the chain ended or returned."""
        for rule in chain.rules:
            verdict = self.rule(rule)
            if verdict is None:
                continue
            match verdict.kind:
                case "jump":
                    found = self.chain(self._ruleset.chains[verdict.target])
                    if found is not None:
                        return found
                case "goto":
                    return self.chain(self._ruleset.chains[verdict.target])
                case "return":
                    return None
                case _:
                    return verdict
        return None

    def rule(self, rule: tuple[Statement, ...]) -> NftVerdict | None:
        for statement in rule:
            match statement:
                case Match(key=key, equal=equal, collection=collection):
                    value = self._key(key)
                    if value is None or self._collection(collection).find(value)[0] is not equal:
                        return None
                case SetMark(which=which, value=value):
                    mark = value if isinstance(value, int) else self._number(value)
                    if mark is None:
                        return None
                    self.packet = msgspec.structs.replace(self.packet, **{which: mark})
                case SetState(state=state):
                    self.packet = msgspec.structs.replace(self.packet, ct_state=state)
                case Vmap(lookup=lookup):
                    value = self._key(lookup.key)
                    found = self._collection(lookup.collection).find(value)[1] if value is not None else None
                    if not isinstance(found, NftVerdict):
                        return None
                    return found
                case Count(name=name):
                    if name not in self._ruleset.counters:
                        raise ValueError(f"no counter {name!r}")
                    self.counted.append(name)
                case Nat(address=address, port=port):
                    if isinstance(port, Lookup):
                        port = self._number(port)
                        if port is None:
                            return None
                    if isinstance(address, Lookup):
                        address = self._address(address)
                        if address is None:
                            return None
                    self.nat = msgspec.structs.replace(statement, address=address, port=port)
                    return NftVerdict("accept")
                case NftVerdict():
                    return statement
                case NoEffect():
                    pass
        return None

    def _key(self, key: Key) -> tuple[Value, ...] | None:
        values = tuple(field_of(self.packet, f) for f in key)
        return None if None in values else values

    def _collection(self, collection: Collection | str | None) -> Collection:
        assert collection is not None
        return self._ruleset.collections[collection] if isinstance(collection, str) else collection

    def _number(self, lookup: Lookup) -> int | None:
        value = self._key(lookup.key)
        if value is None:
            return None
        found = value[0] if lookup.collection is None else self._collection(lookup.collection).find(value)[1]
        return found if isinstance(found, int) else None

    def _address(self, lookup: Lookup) -> Address | None:
        value = self._key(lookup.key)
        found = self._collection(lookup.collection).find(value)[1] if value is not None else None
        return found if isinstance(found, IPv4Address | IPv6Address) else None
