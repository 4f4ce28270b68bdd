"""The model of a ruleset, as far as the gateway's rulesets need it (pure). Language: nft(8)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from msgspec import Struct

from app.addresses import Address, Network

Value = str | int | Address | None
Key = tuple[str, ...]  # a concatenation of packet fields


class Collection(Struct, frozen=True):
    """A set (with values None) or a map: exact keys, and keys with networks."""

    exact: dict[tuple[Value, ...], object]
    networks: tuple[tuple[tuple[Value | Network, ...], object], ...] = ()

    def find(self, key: tuple[Value, ...]) -> tuple[bool, object]:
        if key in self.exact:
            return True, self.exact[key]
        for parts, value in self.networks:
            if len(parts) == len(key) and all(_within(one, part) for one, part in zip(key, parts, strict=True)):
                return True, value
        return False, None


def _within(value: Value, part: Value | Network) -> bool:
    if isinstance(part, IPv4Network | IPv6Network):
        return isinstance(value, IPv4Address | IPv6Address) and value.version == part.version and value in part
    return value == part


class NftVerdict(Struct, frozen=True):
    kind: Literal["accept", "drop", "reject", "reset", "return", "jump", "goto"]
    target: str = ""


class Match(Struct, frozen=True):
    key: Key
    equal: bool
    collection: Collection | str  # or the name of a set


class Lookup(Struct, frozen=True):
    """A value: that of ``key`` itself, or the map's value for it."""

    key: Key
    collection: Collection | str | None = None


class SetMark(Struct, frozen=True):
    which: Literal["mark", "ct_mark"]
    value: int | Lookup


class SetState(Struct, frozen=True):
    """``notrack``: the packet belongs to no connection."""

    state: Literal["untracked"]


class Vmap(Struct, frozen=True):
    lookup: Lookup


class Count(Struct, frozen=True):
    name: str


class Nat(Struct, frozen=True):
    """``dnat`` to the address, ``redirect`` to the port, or ``masquerade``."""

    kind: Literal["dnat", "redirect", "masquerade"]
    address: Address | Lookup | None = None
    port: int | Lookup | None = None


class NoEffect(Struct, frozen=True):
    """A statement without effect on a packet's path: MSS clamping, offload of flows that are already accepted."""

    text: str


Statement = Match | SetMark | SetState | Vmap | Count | Nat | NftVerdict | NoEffect


class Chain(Struct, frozen=True):
    name: str
    rules: tuple[tuple[Statement, ...], ...]
    hook: str = ""  # empty: not a base chain
    kind: str = ""
    priority: int = 0
    policy: Literal["accept", "drop"] = "accept"


class Ruleset(Struct, frozen=True):
    chains: dict[str, Chain]
    collections: dict[str, Collection]
    counters: frozenset[str]

    def at(self, hook: str) -> list[Chain]:
        return sorted((c for c in self.chains.values() if c.hook == hook), key=lambda c: c.priority)
