"""The sets and maps that decide what a device may do, and the flowtable (pure)."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from app.addresses import Family, Network
from app.network.plan import (
    DIRECT_RESOLVERS,
    MARK_BLOCKED,
    MARK_DIRECT,
    MARK_WAITING,
    RESOLVER_PORT_BASE,
    RESOLVER_SLOTS,
    WAITING_RESOLVER_PORT,
    PlanInput,
    exit_mark,
    resolver_vips,
)
from app.network.policy import FAMILIES, Exit, Tunnel, View
from app.network.ruleset.exceptions import exception_collections
from app.network.ruleset.syntax import collection, hex_mark, ip_word, literal

MAX_CONNECTIONS = 4096  # of one device: a sixteenth of the image's table (nf_conntrack_max), several times a busy PC's
MAX_CONNECTION_DEVICES = 1024
_TCP_HEADERS: dict[Family, int] = {4: 40, 6: 60}  # bytes: IP and TCP without options


def sets_and_maps(inputs: PlanInput, view: View) -> Iterator[str]:
    default = hex_mark(view.default_mark)
    yield collection("map", "default_mark", "meta nfproto : meta mark", (f"ipv{f} : {default}" for f in FAMILIES))
    texts = {mark: hex_mark(mark) for mark in view.marks}  # a thousand devices have a few
    canary = frozenset(view.canary)
    yield collection(
        "map",
        "device_mark",
        "ether saddr : meta mark",
        [f"{m} : {texts[k]}" for m, k in view.device_marks if m not in canary],
    )
    marks = (f"{m} : {texts[k]}" for m, k in view.device_marks if m in canary)
    yield collection("map", "canary_mark", "ether saddr : meta mark", marks)
    yield collection("set", "canary", "ether saddr", view.canary)
    yield from exception_collections(view)
    yield collection("map", "outward", "meta nfproto . meta mark : verdict", _policies(view))
    yield collection("map", "resolver_port", "meta mark : th dport", (f"{m} : {p}" for m, p in resolver_ports(view)))
    yield collection("set", "resolver_input", "meta mark . th dport", (f"{m} . {p}" for m, p in resolver_ports(view)))
    yield collection("map", "exit_forward", "meta mark . oifname : verdict", _ways_out(view))
    yield collection("set", "exit_return", "iifname . ct mark", (f'"{link}" . {m}' for m, link in _ways(view)))
    translated = [*((hex_mark(0), t.interface) for t in view.carrying), *_ways(view)]
    yield collection("set", "exit_nat", "meta mark . oifname", (f'{m} . "{link}"' for m, link in translated))
    yield collection("map", "mss", "meta nfproto . oifname : tcp option maxseg size", _segment_sizes(view))
    yield collection("set", "tunnel_link", "iifname", (f'"{t.interface}"' for t in view.tunnels))
    for family in FAMILIES:
        ip = ip_word(family)
        tunnels = [(t, literal(a.ip)) for t in view.tunnels for a in t.addresses if a.version == family]
        yield collection(
            "set", f"tunnel_input{family}", f"iifname . {ip} daddr", (f'"{t.interface}" . {a}' for t, a in tunnels)
        )
        yield collection("set", f"tunnel_address{family}", f"{ip} daddr", sorted({a for _, a in tunnels}))
        yield collection(
            "set",
            f"tunnel_output{family}",
            f"meta mark . oifname . {ip} saddr",
            (f'{hex_mark(mark)} . "{t.interface}" . {a}' for t, a in tunnels for mark in _tunnel_marks(t)),
        )
        vips = [(e.index, e.mark) for e in view.exits]
        vips += [(DIRECT_RESOLVERS, MARK_DIRECT)] if view.direct_stands else []
        yield collection(
            "map",
            f"resolver_mark{family}",
            f"{ip} daddr : meta mark",
            (f"{vip} : {hex_mark(mark)}" for index, mark in vips for vip in _vips(index, family)),
        )
        yield collection("map", f"resolver{family}", f"{ip} daddr : {ip} daddr", _resolvers(view, family))
        yield collection(
            "set",
            f"exit_routes{family}",
            f"meta mark . {ip} daddr",
            (f"{hex_mark(e.mark)} . {n}" for e in view.exits for n in _split(e, family)),
            "interval",
        )
    yield f"set connections {{\n\ttypeof ether saddr\n\tsize {MAX_CONNECTION_DEVICES}\n\tflags dynamic\n}}"
    if inputs.flowtable and view.lan_names:
        devices = dict.fromkeys((*view.lan_names, *(t.interface for t in view.carrying)))
        names = ", ".join(f'"{name}"' for name in devices)
        yield f"flowtable fast {{\n\thook ingress priority filter\n\tdevices = {{ {names} }}\n}}"


@functools.cache
def _vips(index: int, family: Family) -> tuple[str, ...]:
    return tuple(str(vip) for vip in resolver_vips(index, family))


def _ways(view: View) -> list[tuple[str, str]]:
    """The links by which the packets of each mark leave, and their answers come back."""
    found = [(hex_mark(e.mark), t.interface) for e in view.exits for t in e.carrying]
    if view.wan and view.direct:
        found.append((hex_mark(MARK_DIRECT), view.wan.name))
    return found


def _ways_out(view: View) -> Iterator[str]:
    for mark, link in _ways(view):
        # Packets in the clear are never offloaded: the flowtable's have no mark and meet no check of their source.
        verdict = "accept" if mark == hex_mark(MARK_DIRECT) else "goto forward_pass"
        yield f'{mark} . "{link}" : {verdict}'


def _segment_sizes(view: View) -> Iterator[str]:
    for t in view.carrying:
        for family in FAMILIES:
            if t.carries(family):
                yield f'ipv{family} . "{t.interface}" : {t.mtu - _TCP_HEADERS[family]}'


def _resolvers(view: View, family: Family) -> Iterator[str]:
    """The resolver of each virtual address.

    Where there are fewer resolvers than virtual addresses they come again: a query that was lost is then repeated.
    """
    targets = [(e.index, e.active.dns) for e in view.exits if e.active]
    for index, resolvers in (*targets, (DIRECT_RESOLVERS, view.direct_resolvers)):
        for slot in range(RESOLVER_SLOTS if resolvers else 0):
            resolver = resolvers[slot % len(resolvers)]
            if resolver.version == family:
                yield f"{_vips(index, family)[slot]} : {literal(resolver)}"


def _split(e: Exit, family: Family) -> tuple[Network, ...]:
    """The networks to which the exit is limited; none where it leads everywhere or nowhere."""
    if e.active is None or e.active.has_default(family):
        return ()
    return e.active.carries(family)


def _tunnel_marks(tunnel: Tunnel) -> tuple[int, ...]:
    """The marks of packets that may use the tunnel; 0 are the gateway's own, bound to the interface (probes)."""
    if tunnel.role in {"active", "retiring"}:
        return (0, exit_mark(tunnel.exit))
    return (0,) if tunnel.role == "candidate" else ()


def _policies(view: View) -> Iterator[str]:
    """The verdict for a LAN packet to the outside, by family and mark; without an element it is refused."""
    for family in FAMILIES:
        proto = f"ipv{family}"
        yield f"{proto} . {hex_mark(MARK_BLOCKED)} : goto refuse_device"
        yield f"{proto} . {hex_mark(MARK_WAITING)} : goto refuse_waiting"
        if view.direct and view.wan is not None:
            verdict = "accept" if view.direct_gateway(family) else "goto refuse_ipv6" if family == 6 else None
            if verdict:
                yield f"{proto} . {hex_mark(MARK_DIRECT)} : {verdict}"
        for e in view.exits:
            yield f"{proto} . {hex_mark(e.mark)} : {_exit_verdict(e, family)}"


def _exit_verdict(e: Exit, family: Family) -> str:
    if e.active is None:
        return "goto refuse_blocked"
    if e.active.has_default(family):
        return "accept"
    if e.active.carries(family):
        return f"goto exit_split{family}"
    return "goto refuse_ipv6" if family == 6 else "goto refuse_no_route"


def resolver_ports(view: View) -> list[tuple[str, int]]:
    found = [(hex_mark(e.mark), RESOLVER_PORT_BASE + e.index + 1) for e in view.exits if e.active]
    if view.direct and view.wan is not None:
        found.append((hex_mark(MARK_DIRECT), RESOLVER_PORT_BASE))
    if view.waiting:
        found.append((hex_mark(MARK_WAITING), WAITING_RESOLVER_PORT))
    return found
