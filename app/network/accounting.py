"""Bytes by device, counted by the kernel in counting-only tables and read with two calls of nft(8).

The tables survive every replacement of ``inet vpn_gateway`` and go on counting while netd is down. Each packet is
counted once, under its device's MAC address, and only if it went through:

* up: the ``forward`` hook behind the firewall's, by source MAC. What the firewall drops does not get there.
* down: the ``egress`` hook of the LAN's interfaces (netdev family, Linux 5.16), by destination MAC, which is not
  known earlier. Packets from the LAN's own networks, the gateway's among them, are left out.
* A flowtable takes established flows past the ``forward`` hook, from its ingress hook straight to the egress. Two more
  counters, before and behind the flowtable on ingress, differ by what it forwarded; all of that had been accepted.

The sets hold at most ``MAX_DEVICES``; further devices are counted in the total alone. An element unused for a day
expires.
Names and hooks: https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from app.addresses import Network
from app.errors import KernelError
from app.mac_address import is_canary
from app.network import nft
from app.protocol.statistics import ALL, Counter, InterfaceBytes, Subject

TABLE = "vpn_gateway_accounting"
MAX_DEVICES = 1024
IDLE = "1d"

_FLOWTABLE_PRIORITY = 0  # "filter": where app.network.ruleset.sets has its flowtable
_ETHERNET_HEADER = 14  # bytes; at egress the packet has it already, and it is counted
_EXIT = re.compile(r"wg([0-9]+)[ab]")


# --- the tables (pure) -----------------------------------------------------------------------------------------------


def render(lan: Sequence[str], networks: Iterable[Network], *, flowtable: bool, max_devices: int = MAX_DEVICES) -> str:
    """An ``nft -f`` transaction that creates the tables or adapts them to changed interfaces; counts are kept.

    ``lan`` are the LAN's interfaces, which must exist; ``networks`` the LAN's own. Loads with nft 1.0.6 and later.
    """
    networks = list(networks)
    names = ", ".join(f'"{name}"' for name in lan)
    meters = ("arriving", "remaining") if flowtable else ()
    lines = [f"add table inet {TABLE}", f"add table netdev {TABLE}"]
    lines += _meter("inet", "up", max_devices)
    for name in ("down", *meters):
        lines += _meter("netdev", name, max_devices)
    # A base chain's devices cannot be changed: recreate it. The first line only makes sure that it can be deleted.
    for family, chain in (("inet", "up"), ("netdev", "down"), ("netdev", "arriving"), ("netdev", "remaining")):
        lines += [f"add chain {family} {TABLE} {chain}", f"delete chain {family} {TABLE} {chain}"]
    if lan:
        lines += _chain("inet", "up", "forward priority filter + 10", _up(_any_of([f'"{name}"' for name in lan])))
        lines += _chain("netdev", "down", f"egress devices = {{ {names} }} priority 0", _down(networks))
        for name, offset in zip(meters, (-10, 10), strict=False):
            hook = f"ingress devices = {{ {names} }} priority {_FLOWTABLE_PRIORITY + offset}"
            lines += _chain("netdev", name, hook, [f"meta protocol {{ ip, ip6 }} {_count(name, 'saddr')}"])
    return "\n".join(lines) + "\n"


def _meter(family: str, name: str, max_devices: int) -> Iterator[str]:
    yield f"add counter {family} {TABLE} {name}"
    options = f"type ether_addr; size {max_devices}; flags dynamic,timeout; timeout {IDLE}; counter;"
    yield f"add set {family} {TABLE} {name}_devices {{ {options} }}"


def _chain(family: str, name: str, hook: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"add chain {family} {TABLE} {name} {{ type filter hook {hook}; policy accept; }}"
    for rule in rules:
        yield f"add rule {family} {TABLE} {name} {rule}"


def _count(meter: str, address: Literal["saddr", "daddr"]) -> str:
    return f"counter name {meter} update @{meter}_devices {{ ether {address} }}"


def _up(names: str) -> Iterator[str]:
    yield f"iifname {names} oifname != {names} {_count('up', 'saddr')}"


def _down(networks: list[Network]) -> Iterator[str]:
    four = [str(n) for n in networks if n.version == 4]
    six = [*(str(n) for n in networks if n.version == 6), "fe80::/10"]
    device = "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00"  # and not a group
    for outside in (f"ip saddr != {_any_of(four)}" if four else "meta protocol ip", f"ip6 saddr != {_any_of(six)}"):
        yield f"{outside} {device} {_count('down', 'daddr')}"


def _any_of(items: Sequence[str]) -> str:
    """One value, which is compared, or a set of several, which costs each packet a look-up."""
    return items[0] if len(items) == 1 else f"{{ {', '.join(items)} }}"


REMOVE = "".join(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in ("inet", "netdev"))


# --- the output of nft -j (pure) -------------------------------------------------------------------------------------


class _Table(Struct, frozen=True):
    handle: int


class _Amount(Struct, frozen=True):
    packets: int
    bytes: int


class _Element(Struct, frozen=True):
    val: str
    counter: _Amount


class _Entry(Struct, frozen=True):
    elem: _Element


class _Set(Struct, frozen=True):
    name: str
    elem: list[_Entry] = []


class _Named(Struct, frozen=True):
    name: str
    packets: int
    bytes: int


class _Item(Struct, frozen=True):
    table: _Table | None = None
    counter: _Named | None = None
    set: _Set | None = None


class _Listing(Struct, frozen=True):
    nftables: list[_Item]


# direction, sign, link header counted
_METERS: dict[str, tuple[Literal["up", "down"], Literal[1, -1], int]] = {
    "up": ("up", 1, 0),
    "down": ("down", 1, _ETHERNET_HEADER),
    "arriving": ("up", 1, 0),
    "remaining": ("up", -1, 0),
}


def parse(listing: bytes, origin: str) -> tuple[Counter, ...]:
    """The counters in the output of ``nft -j list table``. ``origin`` names the kernel that they live in.

    A table's handle is never used twice, so a counter's source changes when its table is recreated. Raises KernelError
    where the output cannot be parsed.
    """
    try:
        items = msgspec.json.decode(listing, type=_Listing).nftables
    except msgspec.DecodeError as error:
        raise KernelError(f"the output of nft cannot be parsed: {error}") from None
    handle = next((i.table.handle for i in items if i.table is not None), None)
    if handle is None:
        raise KernelError("nft listed no table")
    found: list[Counter] = []
    for item in items:
        if item.counter is not None and item.counter.name in _METERS:
            amount = _Amount(item.counter.packets, item.counter.bytes)
            found.append(_counter(item.counter.name, ALL, amount, f"{origin}/{handle}"))
        if item.set is not None and item.set.name.removesuffix("_devices") in _METERS:
            name = item.set.name.removesuffix("_devices")
            for entry in item.set.elem:
                if is_canary(entry.elem.val):
                    continue
                device = Subject("device", entry.elem.val)
                found.append(_counter(name, device, entry.elem.counter, f"{origin}/{handle}"))
    return tuple(found)


def _counter(meter: str, subject: Subject, amount: _Amount, table: str) -> Counter:
    direction, sign, header = _METERS[meter]
    return Counter(subject, direction, f"{table}/{meter}", amount.bytes - header * amount.packets, sign)


def exit_counters(interfaces: dict[str, InterfaceBytes], exits: Sequence[str], origin: str) -> tuple[Counter, ...]:
    """The tunnels' interfaces as counters of the exits, by number (:func:`app.network.plan.exit_interface`)."""
    found: list[Counter] = []
    for name, interface in interfaces.items():
        match = _EXIT.fullmatch(name)
        if match is None or int(match[1]) >= len(exits) or not exits[int(match[1])]:
            continue
        subject, source = Subject("exit", exits[int(match[1])]), f"{origin}/{name}#{interface.index}"
        found.append(Counter(subject, "up", source, interface.tx))
        found.append(Counter(subject, "down", source, interface.rx))
    return tuple(found)


# --- the kernel ------------------------------------------------------------------------------------------------------


class Accounting:
    """The tables in the kernel of this network namespace. Needs CAP_NET_ADMIN."""

    def __init__(self, *, flowtable: bool, max_devices: int = MAX_DEVICES) -> None:
        self._flowtable = flowtable
        self._max_devices = max_devices

    async def install(self, lan: Sequence[str], networks: Iterable[Network]) -> None:
        """Create the tables or adapt them to changed interfaces and networks. Idempotent; counts are kept.

        Raises KernelError, also where an interface of ``lan`` no longer exists.
        """
        text = render(lan, networks, flowtable=self._flowtable, max_devices=self._max_devices)
        try:
            await _nft("-f", "-", feed=text)
        except KernelError:
            await _nft("-f", "-", feed=REMOVE + text)  # tables of another version: replace them

    async def remove(self) -> None:
        """Remove the tables. Idempotent."""
        await _nft("-f", "-", feed=REMOVE)

    async def read(self, exits: Sequence[str]) -> tuple[Counter, ...]:
        """All counters: devices, total and ``exits`` (their names in the order of the settings).

        Raises KernelError where a table is missing, for instance after ``nft flush ruleset``: install it again.
        """
        here = origin()
        listings = await asyncio.gather(
            *(_nft("-j", "list", "table", family, TABLE) for family in ("inet", "netdev")), return_exceptions=True
        )
        counters = list(exit_counters(interfaces(), exits, here))
        for listing in listings:  # both calls have ended, also where one failed
            if isinstance(listing, BaseException):
                raise listing
            counters += parse(listing, here)
        return tuple(counters)


def origin() -> str:
    """A name for this boot and network namespace, in which handles and interface numbers are never used twice."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot[:13]}/{os.stat('/proc/thread-self/ns/net').st_ino}"  # noqa: PTH116


def interfaces() -> dict[str, InterfaceBytes]:
    """Every interface's bytes since it was created, by name (proc_pid_net(5), ``dev``). Does not block."""
    found: dict[str, InterfaceBytes] = {}
    for line in Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        try:
            index = socket.if_nametoindex(name.strip())
        except OSError:  # removed in between
            continue
        found[name.strip()] = InterfaceBytes(index, rx=int(fields[0]), tx=int(fields[8]))
    return found


async def _nft(*arguments: str, feed: str = "") -> bytes:
    """Raises KernelError."""
    done = await nft.run(*arguments, text=feed)
    if done.status != 0:
        raise KernelError(f"nft: {done.stderr.strip()[:500]}")
    return done.stdout
