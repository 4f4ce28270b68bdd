"""Builders of nft(8) syntax for the rulesets (pure)."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from app.addresses import Address, Family


def chain(name: str, rules: Iterable[str], *, hook: str = "") -> str:
    """A chain; with ``hook`` a base chain."""
    lines = "".join(f"\n\t{line}" for line in (*((hook,) if hook else ()), *rules))
    return f"\nchain {name} {{{lines}\n}}"


def base(kind: str, hook: str, priority: str, policy: str = "accept") -> str:
    return f"type {kind} hook {hook} priority {priority}; policy {policy};"


def collection(kind: str, name: str, key: str, elements: Iterable[str], flags: str = "") -> str:
    """A set or a map, as ``kind`` says."""
    items = list(elements)
    lines = [f"typeof {key}", *([f"flags {flags}"] if flags else ())]
    if items:
        lines.append("elements = {\n\t\t" + ",\n\t\t".join(items) + "\n\t}")
    return f"{kind} {name} {{" + "".join(f"\n\t{line}" for line in lines) + "\n}"


def any_of(items: Iterable[object]) -> str:
    """One value, or an anonymous set of several. At least one is needed."""
    texts = [str(i) for i in items]
    assert texts
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def quoted(names: Iterable[str]) -> str:
    return any_of(f'"{n}"' for n in names)


def hex_mark(mark: int) -> str:
    return f"0x{mark:x}"


@functools.lru_cache(1024)  # of a few tunnels and servers, in each plan; IPv6 takes long to write
def literal(address: Address) -> str:
    return str(address).split("%", 1)[0]  # a zone (RFC 4007) is no part of the address on the wire


def ip_word(family: Family) -> str:
    return "ip" if family == 4 else "ip6"
