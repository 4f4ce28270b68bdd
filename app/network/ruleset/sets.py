"""The sets and maps that decide what a device may do, and the flowtable (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.addresses import Family
from app.network.plan import (
    DIRECT_RESOLVERS,
    MARK_BLOCKED,
    MARK_DIRECT,
    RESOLVER_PORT_BASE,
    PlanInput,
    exit_mark,
    resolver_vips,
)
from app.network.policy import FAMILIES, Exit, Tunnel, View
from app.network.ruleset.matches import endpoints
from app.network.ruleset.syntax import collection, hex_mark, ip_word

MAX_CONNECTIONS = 4096  # of one device: a sixteenth of the image's table (nf_conntrack_max), several times a busy PC's
MAX_CONNECTION_DEVICES = 1024


def sets_and_maps(inputs: PlanInput, view: View) -> Iterator[str]:
    yield collection(
        "map", "device_mark", "ether saddr : meta mark", (f"{m} : {hex_mark(k)}" for m, k in view.device_marks)
    )
    yield collection("map", "outward", "meta nfproto . meta mark : verdict", _policies(view))
    yield collection("map", "resolver_port", "meta mark : th dport", (f"{m} : {p}" for m, p in resolver_ports(view)))
    yield collection("set", "resolver_input", "meta mark . th dport", (f"{m} . {p}" for m, p in resolver_ports(view)))
    yield collection(
        "set",
        "exit_forward",
        "meta mark . oifname",
        (f'{hex_mark(e.mark)} . "{t.interface}"' for e in view.exits for t in e.carrying),
    )
    yield collection(
        "set",
        "exit_return",
        "iifname . ct mark",
        (f'"{t.interface}" . {hex_mark(e.mark)}' for e in view.exits for t in e.carrying),
    )
    for family in FAMILIES:
        ip = ip_word(family)
        tunnels = [(t, a.ip) for t in view.tunnels for a in t.addresses if a.version == family]
        yield collection(
            "set", f"tunnel_input{family}", f"iifname . {ip} daddr", (f'"{t.interface}" . {a}' for t, a in tunnels)
        )
        yield collection("set", f"tunnel_address{family}", f"{ip} daddr", sorted({str(a) for _, a in tunnels}))
        yield collection(
            "set",
            f"tunnel_output{family}",
            f"meta mark . oifname . {ip} saddr",
            (f'{hex_mark(mark)} . "{t.interface}" . {a}' for t, a in tunnels for mark in _tunnel_marks(t)),
        )
        transport = endpoints((p for t in view.tunnels for p in t.transport), family)
        yield collection("set", f"transport{family}", f"{ip} daddr . udp dport", transport)
        marks = [(e.index, e.mark) for e in view.exits] + ([(DIRECT_RESOLVERS, MARK_DIRECT)] if view.direct else [])
        yield collection(
            "map",
            f"resolver_mark{family}",
            f"{ip} daddr : meta mark",
            (f"{vip} : {hex_mark(mark)}" for index, mark in marks for vip in resolver_vips(index, family)),
        )
    for e in view.exits:
        for family in FAMILIES:
            if e.active and e.active.carries(family) and not e.active.has_default(family):
                routes = (str(n) for n in e.active.carries(family))
                yield collection("set", f"exit{e.index}_routes{family}", f"{ip_word(family)} daddr", routes, "interval")
    yield f"set connections {{\n\ttypeof ether saddr\n\tsize {MAX_CONNECTION_DEVICES}\n\tflags dynamic\n}}"
    if inputs.flowtable and view.lan_names:
        devices = dict.fromkeys((*view.lan_names, *(t.interface for t in view.carrying)))
        names = ", ".join(f'"{name}"' for name in devices)
        yield f"flowtable fast {{\n\thook ingress priority filter\n\tdevices = {{ {names} }}\n}}"


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
        return f"goto exit{e.index}_split{family}"
    return "goto refuse_ipv6" if family == 6 else "goto refuse_no_route"


def resolver_ports(view: View) -> list[tuple[str, int]]:
    found = [(hex_mark(e.mark), RESOLVER_PORT_BASE + e.index + 1) for e in view.exits if e.active]
    if view.direct and view.wan is not None:
        found.append((hex_mark(MARK_DIRECT), RESOLVER_PORT_BASE))
    return found
