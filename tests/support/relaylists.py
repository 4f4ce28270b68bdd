"""Relay lists with flaws at known places: what the parsers must take, and what they must leave out and why.

The sound entries are those of :mod:`ci.benchmarks.relaylists`; some of them are spoilt here, each in one way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.providers.base import SkippedEntry
from ci.benchmarks import relaylists as sound
from ci.benchmarks.relaylists import Document, Entry

Spoil = Callable[[Entry, dict[str, Entry], random.Random], Any]

LOW_ORDER = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(frozen=True)
class Flaw:
    reason: str  # what the parser says of it
    spoil: Spoil  # (the entry, the sound ones before it, chance) -> what stands in its place
    bad: bool = True
    named: bool = True  # whether it can be called by its host name; if not, by its place


@dataclass(frozen=True)
class Made:
    """A list, and what is to be found in it, in its order."""

    data: bytes
    document: Document
    good: dict[str, Entry]  # by host name
    left_out: tuple[SkippedEntry, ...]


def without(name: str) -> Spoil:
    return lambda entry, _before, _chance: {key: value for key, value in entry.items() if key != name}


def with_(**changes: Any) -> Spoil:
    return lambda entry, _before, _chance: {**entry, **changes}


def instead(value: Any) -> Spoil:
    return lambda _entry, _before, _chance: value


def twin(entry: Entry, before: dict[str, Entry], chance: random.Random) -> Entry:
    """Another server under the host name of an earlier one."""
    return {**entry, "hostname": chance.choice(list(before))}


def missing(name: str, *, named: bool = True) -> Flaw:
    return Flaw(f"Object missing required field `{name}`", without(name), named=named)


OF_EVERY_LIST = (
    missing("hostname", named=False),
    missing("public_key"),
    Flaw("Expected `object`, got `null`", instead(None), named=False),
    Flaw("Expected `object`, got `str`", instead("a server"), named=False),
    Flaw("Expected `object`, got `array`", instead([1, 2]), named=False),
    Flaw("Expected `str`, got `int` - at `$.hostname`", with_(hostname=7), named=False),
    Flaw("Expected `str`, got `null` - at `$.public_key`", with_(public_key=None)),
    Flaw("invalid host name", with_(hostname="../../etc/passwd"), named=False),
    Flaw("the public key: a key has 44 characters, this has 8", with_(public_key="c2hvcnQ=")),
    Flaw("the public key: not a usable public key: a point of low order", with_(public_key=LOW_ORDER)),
    Flaw("an earlier entry has the same host name", twin),
)
MULLVAD_FLAWS = (
    *OF_EVERY_LIST,
    missing("location"),
    missing("active"),
    missing("ipv4_addr_in"),
    Flaw("Expected `bool`, got `str` - at `$.active`", with_(active="yes")),
    Flaw("Expected `int`, got `float` - at `$.weight`", with_(weight=1.5)),
    Flaw("it is not active", with_(active=False), bad=False),
    Flaw("its location is not in the list", with_(location="zz-zzz")),
    Flaw("its location is not in the list", with_(location="zz-bad")),  # it is there, and cannot be read
    Flaw("the provider is not plain text of at most 64 characters", with_(provider="two\nlines")),
    Flaw("ipv4_addr_in is not an IP address", with_(ipv4_addr_in="185.1.2.300")),
    Flaw("ipv4_addr_in is not an IPv4 address", with_(ipv4_addr_in="2a03:1b20:4::1")),
    Flaw("ipv4_addr_in is not on the Internet", with_(ipv4_addr_in="192.168.1.1")),
    Flaw("ipv4_addr_in is not on the Internet", with_(ipv4_addr_in="224.0.0.1")),
    Flaw("ipv6_addr_in is not on the Internet", with_(ipv6_addr_in="fe80::1")),
)
IVPN_FLAWS = (
    *OF_EVERY_LIST,
    missing("host"),
    Flaw("Expected `float | null`, got `str` - at `$.load`", with_(load="little")),
    Flaw("the multihop_port is not a port", with_(multihop_port=65536)),
    Flaw("the isp is not plain text of at most 64 characters", with_(isp="x" * 65)),
    Flaw("host is not an IP address", with_(host="")),
    Flaw("host is not an IPv4 address", with_(host="::1")),
    Flaw("host is not on the Internet", with_(host="10.0.0.1")),
    Flaw("host is not on the Internet", with_(host="127.0.0.1")),
)
NO_WIREGUARD = "it speaks OpenVPN, not WireGuard"
NO_SERVER = "it is a bridge, not a WireGuard server"


def mullvad(entries: int, seed: int = 1) -> Made:
    """``entries`` WireGuard relays, 1 in 250 of each flaw; one place and one OpenVPN server that cannot be read."""
    document = sound.mullvad(entries, seed)
    document["locations"]["zz-bad"] = {"country": "Nowhere", "city": 7}
    relays, openvpn, bridges = (document[kind]["relays"] for kind in ("wireguard", "openvpn", "bridge"))
    good, left_out = _spoil([relays], MULLVAD_FLAWS, seed, lambda _, place: f"wireguard.relays[{place}]")
    no_name = SkippedEntry(f"openvpn.relays[{len(openvpn)}]", "Object missing required field `hostname`")
    left_out = [
        SkippedEntry("locations.zz-bad", "Expected `str`, got `int` - at `$.city`"),
        *left_out,
        *(SkippedEntry(entry["hostname"], NO_WIREGUARD, bad=False) for entry in openvpn),
        no_name,
        *(SkippedEntry(entry["hostname"], NO_SERVER, bad=False) for entry in bridges),
    ]
    openvpn.append({"location": "aa-aaa"})
    return Made(sound.encode(document), document, good, tuple(left_out))


def ivpn(entries: int, seed: int = 1) -> Made:
    """``entries`` WireGuard hosts, 1 in 250 of each flaw; three gateways at the end that cannot be read."""
    document = sound.ivpn(entries, seed)
    gateways = document["wireguard"]
    count = len(gateways)
    groups = [gateway["hosts"] for gateway in gateways]
    good, left_out = _spoil(groups, IVPN_FLAWS, seed, lambda group, place: f"wireguard[{group}].hosts[{place}]")
    gateways += [None, {"country": "Nowhere", "city": "None"}, {"country": 7, "city": "Some", "hosts": []}]
    left_out += [
        SkippedEntry(f"wireguard[{count}]", "Expected `object`, got `null`"),
        SkippedEntry(f"wireguard[{count + 1}]", "Object missing required field `hosts`"),
        SkippedEntry(f"wireguard[{count + 2}]", "Expected `str`, got `int` - at `$.country`"),
    ]
    others = [host for gateway in document["openvpn"] for host in gateway["hosts"]]
    left_out += [SkippedEntry(host["hostname"], NO_WIREGUARD, bad=False) for host in others]
    return Made(sound.encode(document), document, good, tuple(left_out))


LISTS = {"mullvad": mullvad, "ivpn": ivpn}


def _spoil(
    groups: list[list[Any]], flaws: tuple[Flaw, ...], seed: int, place_of: Callable[[int, int], str]
) -> tuple[dict[str, Entry], list[SkippedEntry]]:
    """Put each flaw into 1 entry in 250, in place; return the sound entries, and what is to be left out."""
    chance = random.Random(f"flaws {seed}")
    places = [(group, place) for group, entries in enumerate(groups) for place in range(len(entries))]
    each = len(places) // 250
    assert each > 0, "too few entries to have every flaw"
    wanted = [flaw for flaw in flaws for _ in range(each)]
    spoilt = dict(zip(chance.sample(places[1:], len(wanted)), wanted, strict=True))  # a twin has one before it
    good: dict[str, Entry] = {}
    left_out: list[SkippedEntry] = []
    for group, place in places:
        entry = groups[group][place]
        flaw = spoilt.get((group, place))
        if flaw is None:
            good[entry["hostname"]] = entry
            continue
        groups[group][place] = changed = flaw.spoil(entry, good, chance)
        shown = changed["hostname"] if flaw.named else place_of(group, place)
        left_out.append(SkippedEntry(shown, flaw.reason, flaw.bad))
    return good, left_out
