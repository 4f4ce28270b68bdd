"""The nftables text of a plan: one transaction that replaces the whole table (pure).

The text keeps to a small part of the language, the part that :mod:`app.network.nftmodel` can evaluate, and that
nftables 1.0.6 and later load. Interfaces are named by string, for a tunnel may come and go under a standing ruleset.

Chains named like hooks are the hooks; the others are reached from them. What a device may do is decided by maps and
sets, so that 250 devices and 32 exits cost one look-up each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from app.addresses import Address, Family, collapse
from app.network.plan import (
    MARK_BLOCKED,
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_LOOKUP,
    MARK_TRANSPORT,
    NFT_TABLE,
    RESOLVER_PORT_BASE,
    PlanInput,
    TransportPeer,
    exit_mark,
)
from app.network.policy import FAMILIES, VIPS4, VIPS6, Exit, Tunnel, View, vip

# Why a packet was stopped, each with its counter ``drop_<reason>``.
REASONS = {
    "blocked": "the device's exit carries no traffic now",
    "device_blocked": "the device's policy is blocked",
    "ipv6": "the device's exit carries no IPv6",
    "no_route": "outside the allowed IPs of the device's tunnel",
    "dns": "DNS by a way other than the device's own resolver",
    "spoofed": "a source address that cannot come from that link",
    "tunnel_address": "to a tunnel's address from outside of it, or out of a tunnel to anything else (CVE-2019-14899)",
    "invalid": "belongs to no connection",
    "forward": "from or to a link that its mark may not use",
    "wan": "from the WAN to the gateway itself, unasked",
    "input": "to a service that the gateway does not offer there",
    "output": "from the gateway itself, not on the closed list",
    "egress": "stopped by the last check before the wire",
}

_PORT53 = "meta l4proto { tcp, udp } th dport 53"
_DHCP4 = "udp sport 68 udp dport 67"
_DHCP6 = "udp sport 546 udp dport 547"
_LINK_LOCAL4 = ("224.0.0.0/24", "255.255.255.255")
_LINK_LOCAL6 = ("fe80::/10", "ff02::/16")
_TCP_HEADERS = {4: 40, 6: 60}  # bytes: IP and TCP without options
_ERRORS4 = ("destination-unreachable", "time-exceeded", "parameter-problem")
_ERRORS6 = ("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem")
# What a host must say on a link to have an address there (RFC 4861, RFC 3810).
_NEIGHBOUR = "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert"
_MULTICAST = "mld-listener-report, mld-listener-done, mld2-listener-report"


def ruleset(inp: PlanInput, seen: View) -> str:
    """The text for ``nft -f``: creates the table where there is none, and replaces it in the same transaction."""
    body = [
        *(f"counter drop_{reason} {{ }}" for reason in REASONS),
        *_sets(inp, seen),
        *_refusals(),
        *_prerouting(seen),
        *_input(inp, seen),
        *_forward(inp, seen),
        *_output(inp, seen),
        *_postrouting(inp, seen),
    ]
    table = f"table inet {NFT_TABLE}"
    inner = "\n".join("\t" + line if line else "" for text in body for line in text.split("\n"))
    return f"{table} {{ }}\ndelete {table}\n{table} {{\n{inner}\n}}\n"


# --- writing ---------------------------------------------------------------------------------------------------------


def _chain(name: str, rules: Iterable[str], *, hook: str = "") -> str:
    lines = "".join(f"\n\t{line}" for line in (*((hook,) if hook else ()), *rules))
    return f"\nchain {name} {{{lines}\n}}"


def _hook(kind: str, hook: str, priority: str, policy: str = "accept") -> str:
    return f"type {kind} hook {hook} priority {priority}; policy {policy};"


def _set(what: str, name: str, key: str, elements: Iterable[str], flags: str = "") -> str:
    items = list(elements)
    lines = [f"typeof {key}", *([f"flags {flags}"] if flags else ())]
    if items:
        lines.append("elements = {\n\t\t" + ",\n\t\t".join(items) + "\n\t}")
    return f"{what} {name} {{" + "".join(f"\n\t{line}" for line in lines) + "\n}"


def _any(items: Iterable[object]) -> str:
    """One value, or an anonymous set of several. There must be one."""
    texts = [str(i) for i in items]
    assert texts
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def _names(names: Iterable[str]) -> str:
    return _any(f'"{n}"' for n in names)


def _mark(mark: int) -> str:
    return f"0x{mark:x}"


def _literal(address: Address) -> str:
    return str(address).split("%", 1)[0]  # a zone (RFC 4007) is no part of the address on the wire


def _ip(family: Family) -> str:
    return "ip" if family == 4 else "ip6"


def _drop(reason: str) -> str:
    return f'counter name "drop_{reason}" drop'


def _refuse(reason: str) -> str:
    return f'counter name "drop_{reason}" goto refuse'


def _from_lan(seen: View, *, link_local: bool = False) -> list[str]:
    """Matches for "this packet comes from the LAN"; on a link shared with the WAN the source address decides."""
    found = [f"iifname {_names(seen.lan)}"] if seen.lan else []
    if seen.shared:
        found.append(f'iifname "{seen.shared}" ip saddr {seen.lan4.network}')
        six = [str(n) for n in seen.lan_networks(6)] + (["fe80::/10"] if link_local else [])
        if six:
            found.append(f'iifname "{seen.shared}" ip6 saddr {_any(six)}')
    return found


def _to_lan(seen: View) -> Iterator[str]:
    """Matches for "this packet leaves for the LAN": a LAN link and an address that is really there."""
    if seen.lan_names:
        link = f"oifname {_names(seen.lan_names)}"
        yield f"{link} ip daddr {_any((seen.lan4.network, *_LINK_LOCAL4))}"
        yield f"{link} ip6 daddr {_any((*seen.lan_networks(6), *_LINK_LOCAL6))}"


# --- sets and maps ---------------------------------------------------------------------------------------------------


def _peers(peers: Iterable[TransportPeer], family: Family) -> list[str]:
    return sorted({f"{_literal(p.address)} . {p.port}" for p in peers if p.address.version == family})


def _sets(inp: PlanInput, seen: View) -> Iterator[str]:
    yield _set("map", "device_mark", "ether saddr : meta mark", (f"{m} : {_mark(k)}" for m, k in seen.device_marks))
    yield _set("map", "outward", "meta nfproto . meta mark : verdict", _policies(seen))
    yield _set("map", "resolver_port", "meta mark : th dport", (f"{m} : {p}" for m, p in _resolver_ports(seen)))
    yield _set("set", "resolver_input", "meta mark . th dport", (f"{m} . {p}" for m, p in _resolver_ports(seen)))
    yield _set(
        "set",
        "exit_forward",
        "meta mark . oifname",
        (f'{_mark(e.mark)} . "{t.interface}"' for e in seen.exits for t in e.carrying),
    )
    yield _set(
        "set",
        "exit_return",
        "iifname . ct mark",
        (f'"{t.interface}" . {_mark(e.mark)}' for e in seen.exits for t in e.carrying),
    )
    for family in FAMILIES:
        ip = _ip(family)
        tunnels = [(t, a.ip) for t in seen.tunnels for a in t.addresses if a.version == family]
        yield _set(
            "set", f"tunnel_input{family}", f"iifname . {ip} daddr", (f'"{t.interface}" . {a}' for t, a in tunnels)
        )
        yield _set("set", f"tunnel_address{family}", f"{ip} daddr", sorted({str(a) for _, a in tunnels}))
        yield _set(
            "set",
            f"tunnel_output{family}",
            f"meta mark . oifname . {ip} saddr",
            (f'{_mark(mark)} . "{t.interface}" . {a}' for t, a in tunnels for mark in _tunnel_marks(t)),
        )
        transport = _peers((p for t in seen.tunnels for p in t.transport), family)
        yield _set("set", f"transport{family}", f"{ip} daddr . udp dport", transport)
        marks = [(e.index, e.mark) for e in seen.exits] + ([(-1, MARK_DIRECT)] if seen.direct else [])
        yield _set(
            "map",
            f"resolver_mark{family}",
            f"{ip} daddr : meta mark",
            (f"{vip(index, family)} : {_mark(mark)}" for index, mark in marks),
        )
    for e in seen.exits:
        for family in FAMILIES:
            if e.active and e.active.carries(family) and not e.active.has_default(family):
                routes = (str(n) for n in e.active.carries(family))
                yield _set("set", f"exit{e.index}_routes{family}", f"{_ip(family)} daddr", routes, "interval")
    if inp.flowtable and seen.lan_names:
        # One without a router may be a PPPoE session that has not begun, and no interface yet: nft would refuse it all.
        wan = (seen.wan.name,) if seen.wan and any(seen.direct_gateway(f) for f in FAMILIES) else ()
        devices = dict.fromkeys((*seen.lan_names, *(t.interface for t in seen.carrying), *wan))
        names = ", ".join(f'"{name}"' for name in devices)
        yield f"flowtable fast {{\n\thook ingress priority filter\n\tdevices = {{ {names} }}\n}}"


def _tunnel_marks(tunnel: Tunnel) -> tuple[int, ...]:
    """Unmarked are the gateway's own packets, bound to the interface (probes)."""
    if tunnel.role in {"active", "retiring"}:
        return (0, exit_mark(tunnel.exit))
    return (0,) if tunnel.role == "candidate" else ()


def _policies(seen: View) -> Iterator[str]:
    """What becomes of a LAN packet for the outside, by family and mark; no element means that it is refused."""
    for family in FAMILIES:
        proto = f"ipv{family}"
        yield f"{proto} . {_mark(MARK_BLOCKED)} : goto refuse_device"
        if seen.direct and seen.wan is not None:
            verdict = "accept" if seen.direct_gateway(family) else "goto refuse_ipv6" if family == 6 else None
            if verdict:
                yield f"{proto} . {_mark(MARK_DIRECT)} : {verdict}"
        for e in seen.exits:
            yield f"{proto} . {_mark(e.mark)} : {_exit_verdict(e, family)}"


def _exit_verdict(e: Exit, family: Family) -> str:
    if e.active is None:
        return "goto refuse_blocked"
    if e.active.has_default(family):
        return "accept"
    if e.active.carries(family):
        return f"goto exit{e.index}_split{family}"
    return "goto refuse_ipv6" if family == 6 else "goto refuse_no_route"


def _resolver_ports(seen: View) -> list[tuple[str, int]]:
    found = [(_mark(e.mark), RESOLVER_PORT_BASE + e.index + 1) for e in seen.exits if e.active]
    if seen.direct and seen.wan is not None:
        found.append((_mark(MARK_DIRECT), RESOLVER_PORT_BASE))
    return found


def _refusals() -> Iterator[str]:
    # A reset ends a TCP attempt at once and is not rate-limited as ICMP errors are: clients fall back without delay.
    yield _chain("refuse", ("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"))
    yield _chain("refuse_blocked", (_refuse("blocked"),))
    yield _chain("refuse_device", (_refuse("device_blocked"),))
    yield _chain("refuse_ipv6", (_refuse("ipv6"),))
    yield _chain("refuse_no_route", (_refuse("no_route"),))
    yield _chain("drop_invalid", (_drop("invalid"),))


# --- prerouting ------------------------------------------------------------------------------------------------------


def _prerouting(seen: View) -> Iterator[str]:
    tunnels = [t.interface for t in seen.tunnels]
    jumps = ['iifname "lo" accept']
    if seen.lan:
        jumps.append(f"iifname {_names(seen.lan)} goto sources_lan")
    if tunnels:
        jumps += [f"iifname . {_ip(f)} daddr @tunnel_input{f} goto sources_tunnel" for f in FAMILIES]
        jumps.append(f"iifname {_names(tunnels)} {_drop('tunnel_address')}")
    if seen.wan:
        jumps.append(f'iifname "{seen.wan.name}" goto sources_{"shared" if seen.shared else "wan"}')
    jumps += _to_tunnel_address()
    # Before connection tracking, so that a forged packet never becomes a connection.
    yield _chain("prerouting_sources", jumps, hook=_hook("filter", "prerouting", "raw"))
    if seen.lan:
        yield _chain("sources_lan", _sources_lan(seen))
    if tunnels:
        yield _chain("sources_tunnel", _not_inside(seen))
    if seen.wan:
        name, rules = ("shared", _sources_shared(seen)) if seen.shared else ("wan", _sources_wan(seen))
        yield _chain(f"sources_{name}", rules)

    yield _chain(
        "prerouting_policy",
        (f"{match} goto policy_lan" for match in _from_lan(seen)),
        hook=_hook("filter", "prerouting", "mangle"),
    )
    yield _chain("policy_lan", _policy_lan(seen))
    for e in seen.exits:
        for family in FAMILIES:
            if e.active and e.active.carries(family) and not e.active.has_default(family):
                within = f"{_ip(family)} daddr @exit{e.index}_routes{family} accept"
                yield _chain(f"exit{e.index}_split{family}", (within, "goto refuse_no_route"))

    redirects: list[str] = []
    for match in _from_lan(seen):
        if _resolver_ports(seen):
            redirects.append(f"{match} {_PORT53} redirect to :meta mark map @resolver_port")
        redirects.append(f"{match} {_PORT53} redirect to :53")  # the resolver that knows the LAN's own names alone
    yield _chain("prerouting_dns", redirects, hook=_hook("nat", "prerouting", "dstnat"))


def _to_tunnel_address() -> list[str]:
    return [f"{_ip(f)} daddr @tunnel_address{f} {_drop('tunnel_address')}" for f in FAMILIES]


def _from_ourselves(seen: View) -> list[str]:
    own = [f"ip saddr {seen.lan4.ip}", *((f"ip6 saddr {seen.ula.ip}",) if seen.ula else ())]
    return [f"{match} {_drop('spoofed')}" for match in own]


def _sources_lan(seen: View) -> Iterator[str]:
    yield from _from_ourselves(seen)
    yield from _to_tunnel_address()
    yield f"ip saddr {seen.lan4.network} accept"
    yield f"ip6 saddr {_any((*seen.lan_networks(6), 'fe80::/10'))} accept"
    # A host that has no address yet: DHCP, and duplicate address detection (RFC 4862).
    yield f"ip saddr 0.0.0.0 {_DHCP4} accept"
    yield "ip6 saddr :: meta l4proto icmpv6 accept"
    yield _drop("spoofed")


def _not_inside(seen: View) -> list[str]:
    """Sources that no packet from outside can have: the LAN's and loopback's."""
    lan6 = seen.lan_networks(6)
    return [
        f"ip saddr {_any((seen.lan4.network, '127.0.0.0/8'))} {_drop('spoofed')}",
        f"ip6 saddr {_any((*lan6, '::1'))} {_drop('spoofed')}",
    ]


def _sources_wan(seen: View) -> Iterator[str]:
    yield from _to_tunnel_address()
    yield from _not_inside(seen)
    # Nothing out there knows of the LAN's addresses; the answers to its connections come to the WAN's own.
    yield f"ip daddr {_any((seen.lan4.network, '127.0.0.0/8'))} {_drop('spoofed')}"
    if seen.ula:
        yield f"ip6 daddr {seen.ula.network} {_drop('spoofed')}"


def _sources_shared(seen: View) -> Iterator[str]:
    """One wire for both: LAN and WAN sources are both right here, only loopback and our own are not."""
    yield from _from_ourselves(seen)
    yield from _to_tunnel_address()
    yield f"ip saddr 127.0.0.0/8 {_drop('spoofed')}"
    yield f"ip daddr 127.0.0.0/8 {_drop('spoofed')}"
    yield f"ip6 saddr ::1 {_drop('spoofed')}"


def _policy_lan(seen: View) -> Iterator[str]:
    """Give every LAN packet the mark of its device; refuse at once what has no way out, with the reason counted.

    Routing refuses the same packets by itself; here they are counted, and TCP gets its reset.
    """
    yield f"meta mark set {_mark(seen.default_mark)}"
    yield "meta mark set ether saddr map @device_mark"
    own = seen.wan.addresses if seen.wan and seen.shared else ()
    four = collapse([seen.lan4.network, *(ip_network(a.ip) for a in own if a.version == 4)])
    six = collapse([*seen.lan_networks(6), *(ip_network(a.ip) for a in own if a.version == 6)])
    yield f"ip daddr {_any((*four, '224.0.0.0/4', '255.255.255.255'))} accept"
    yield f"ip6 daddr {_any((*six, 'fe80::/10', 'ff00::/8'))} accept"
    yield f"{_PORT53} accept"  # redirected to the gateway itself by the next hook
    # netd finds an exit's connections by this mark when it changes.
    yield "ct mark set meta mark"
    yield "meta nfproto . meta mark vmap @outward"
    yield "goto refuse_blocked"


# --- input -----------------------------------------------------------------------------------------------------------


def _input(inp: PlanInput, seen: View) -> Iterator[str]:
    jumps = [
        'iifname "lo" accept',
        "ct state vmap { established : accept, related : accept, invalid : goto drop_invalid }",
    ]
    if seen.wan:
        jumps.append(f'iifname "{seen.wan.name}" jump input_wan')
    jumps += [f"{match} goto input_lan" for match in _from_lan(seen, link_local=True)]
    if seen.shared:
        # A host without an address asks for one; what IPv6 says at that point, input_wan has accepted.
        jumps.append(f'iifname "{seen.shared}" ip saddr 0.0.0.0 {_DHCP4} accept')
    if seen.wan:
        jumps.append(f'iifname "{seen.wan.name}" {_drop("wan")}')
    jumps.append(_drop("input"))
    yield _chain("input", jumps, hook=_hook("filter", "input", "filter", "drop"))
    if seen.wan:
        yield _chain("input_wan", _input_wan())
    yield _chain("input_lan", _input_lan(inp))


def _input_wan() -> Iterator[str]:
    yield "udp sport 67 udp dport 68 accept"
    yield "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept"
    yield "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept"
    yield from (f"{_ip(f)} saddr . udp sport @transport{f} accept" for f in FAMILIES)


def _input_lan(inp: PlanInput) -> Iterator[str]:
    yield f"{_DHCP4} accept"
    yield f"ip6 saddr fe80::/10 {_DHCP6} accept"
    yield f"{_PORT53} accept"
    # A resolver's own port, for the devices of that exit only: nobody asks through another's tunnel.
    yield "meta l4proto { tcp, udp } meta mark . th dport @resolver_input accept"
    if inp.http_ports:
        yield f"tcp dport {_any(sorted(set(inp.http_ports)))} accept"
    yield "udp dport 5353 accept"
    yield "icmp type echo-request accept"
    yield f"icmpv6 type {{ echo-request, {_NEIGHBOUR}, mld-listener-query, {_MULTICAST} }} accept"
    yield "meta l4proto igmp accept"
    yield _refuse("input")


# --- forward ---------------------------------------------------------------------------------------------------------


def _forward(inp: PlanInput, seen: View) -> Iterator[str]:
    """There is no general "established" here: every packet outward is judged by its mark and where it would go."""
    if seen.carrying:
        yield _chain("forward_mss", _clamp(seen), hook=_hook("filter", "forward", "mangle"))
    rules = ["ct state invalid goto drop_invalid"]
    rules += [f"{match} goto forward_lan" for match in _from_lan(seen)]
    if seen.carrying and seen.lan_names:
        rules += [f"iifname . ct mark @exit_return {m} ct state established,related accept" for m in _lan_hosts(seen)]
    if seen.wan and seen.direct:
        rules += [
            f'iifname "{seen.wan.name}" ct mark {_mark(MARK_DIRECT)} {m} ct state established,related accept'
            for m in _lan_hosts(seen)
        ]
    rules.append(_drop("forward"))
    yield _chain("forward", rules, hook=_hook("filter", "forward", "filter", "drop"))

    out = [f"{m} accept" for m in _lan_hosts(seen)]
    out.append(f"{_PORT53} {_refuse('dns')}")
    out.append("meta mark . oifname @exit_forward goto forward_pass")
    if seen.wan and seen.direct:
        out.append(f'meta mark {_mark(MARK_DIRECT)} oifname "{seen.wan.name}" goto forward_pass')
    out.append(_refuse("forward"))
    yield _chain("forward_lan", out)
    fast = inp.flowtable and seen.lan_names
    offload = ["meta l4proto { tcp, udp } ct state established flow add @fast"] if fast else []
    yield _chain("forward_pass", (*offload, "accept"))


def _lan_hosts(seen: View) -> Iterator[str]:
    if seen.lan_names:
        link = f"oifname {_names(seen.lan_names)}"
        for family in FAMILIES:
            if networks := seen.lan_networks(family):
                yield f"{link} {_ip(family)} daddr {_any(networks)}"


def _clamp(seen: View) -> Iterator[str]:
    """TCP's segments fit the tunnel, both ways (RFC 879): its MTU less 40 bytes, or 60 for IPv6. Never raised."""
    yield "meta l4proto != tcp accept"
    yield "tcp flags & (syn | rst) != syn accept"
    for t in seen.carrying:
        for family in FAMILIES:
            if t.carries(family):
                size = f"meta nfproto ipv{family} tcp option maxseg size set {t.mtu - _TCP_HEADERS[family]}"
                yield f'oifname "{t.interface}" {size}'
                yield f'iifname "{t.interface}" {size}'


# --- output ----------------------------------------------------------------------------------------------------------


def _output(inp: PlanInput, seen: View) -> Iterator[str]:
    marks = [f"meta mark set {_ip(f)} daddr map @resolver_mark{f}" for f in FAMILIES]
    if seen.exits:
        marks.append(f"meta mark {_any(_mark(e.mark) for e in seen.exits)} ct mark set meta mark")
    yield _chain("output_marks", marks, hook=_hook("route", "output", "mangle"))
    yield _chain("output_dns", _resolvers(seen), hook=_hook("nat", "output", "-100"))

    rules = [
        'oifname "lo" accept',
        # A stand-in address that was not translated has no resolver behind it: say so, and the next one is asked.
        f"ip daddr {VIPS4} {_refuse('dns')}",
        f"ip6 daddr {VIPS6} {_refuse('dns')}",
    ]
    if seen.wan:
        rules.append(f'oifname "{seen.wan.name}" jump output_wan')
    if seen.lan_names:
        # Never a question to a host of the LAN: the gateway's own names come from nowhere but its resolvers.
        rules.append(f"oifname {_names(seen.lan_names)} {_PORT53} {_drop('dns')}")
    rules += [f"{m} accept" for m in _to_lan(seen)]
    # Whoever sends a hopeless packet from the WAN, with any source he likes, must not be told through the tunnel:
    # that would show him which exit is ours.
    rules += [f"icmp type {_any(_ERRORS4)} {_drop('output')}", f"icmpv6 type {_any(_ERRORS6)} {_drop('output')}"]
    rules += [f"meta mark . oifname . {_ip(f)} saddr @tunnel_output{f} accept" for f in FAMILIES]
    rules.append(_drop("output"))
    yield _chain("output", rules, hook=_hook("filter", "output", "filter", "drop"))
    if seen.wan:
        yield _chain("output_wan", _closed_list(inp, seen))


def _resolvers(seen: View) -> Iterator[str]:
    for family in FAMILIES:
        ip = _ip(family)
        targets = [(e.index, e.active.resolvers(family)) for e in seen.exits if e.active]
        targets.append((-1, seen.direct_resolvers(family)))
        for index, found in targets:
            if not found:
                continue
            choice = ", ".join(f"{n} : {_literal(a)}" for n, a in enumerate(found))
            to = _literal(found[0]) if len(found) == 1 else f"numgen inc mod {len(found)} map {{ {choice} }}"
            yield f"{ip} daddr {vip(index, family)} {_PORT53} dnat {ip} to {to}"


def _closed_list(inp: PlanInput, seen: View) -> Iterator[str]:
    """All that the gateway itself may say on the WAN in the clear, to the last address and port."""
    for family in FAMILIES:
        ip = _ip(family)
        yield f"meta mark {_mark(MARK_TRANSPORT)} {ip} daddr . udp dport @transport{family} accept"
        if lookup := sorted({_literal(a) for a in inp.lookup_servers if a.version == family}):
            yield f"meta mark {_mark(MARK_LOOKUP)} {ip} daddr {_any(lookup)} {_PORT53} accept"
        if clear := _peers(inp.clear_api, family):
            yield f"meta mark {_mark(MARK_CLEAR)} {ip} daddr . tcp dport {{ {', '.join(clear)} }} accept"
        if resolvers := seen.direct_resolvers(family):
            found = sorted(_literal(a) for a in resolvers)
            yield f"meta mark {_mark(MARK_DIRECT)} {ip} daddr {_any(found)} {_PORT53} accept"
    yield f"{_DHCP4} accept"
    yield f"{_DHCP6} accept"
    yield f"icmpv6 type {{ {_NEIGHBOUR}, {_MULTICAST} }} ip6 daddr {_any(_LINK_LOCAL6)} accept"
    # Towards an address of the WAN's own prefix: is the router still there, and yes, this one is ours (RFC 4861, 7.3).
    if six := collapse(a.network for a in (seen.wan.addresses if seen.wan else ()) if a.version == 6):
        yield f"icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} ip6 daddr {_any(six)} accept"
    if inp.time_sync_uid is not None:
        yield from (f"meta skuid {inp.time_sync_uid} {servers} udp dport 123 accept" for servers in _time_servers(inp))


def _time_servers(inp: PlanInput) -> Iterator[str]:
    for family in FAMILIES:
        if found := sorted(_literal(a) for a in inp.time_servers if a.version == family):
            yield f"{_ip(family)} daddr {_any(found)}"


# --- postrouting -----------------------------------------------------------------------------------------------------


def _postrouting(inp: PlanInput, seen: View) -> Iterator[str]:
    # fully-random: a port that a device cannot choose cannot shadow one of the gateway's own (CVE-2021-3773).
    nat = [f"oifname {_names(t.interface for t in seen.carrying)} masquerade fully-random"] if seen.carrying else []
    if seen.wan and seen.direct:
        nat.append(f'meta mark {_mark(MARK_DIRECT)} oifname "{seen.wan.name}" masquerade fully-random')
    yield _chain("postrouting_nat", nat, hook=_hook("nat", "postrouting", "srcnat"))

    # The last look, after translation and apart from all that was decided before: mark, link and source must agree.
    rules = [f"meta mark . oifname . {_ip(f)} saddr @tunnel_output{f} accept" for f in FAMILIES]
    rules += ['oifname "lo" accept', *(f"{m} accept" for m in _to_lan(seen))]
    if seen.wan:
        rules.append(f'oifname "{seen.wan.name}" goto egress_wan')
    rules.append(_drop("egress"))
    yield _chain("postrouting_egress", rules, hook=_hook("filter", "postrouting", "200", "drop"))
    if seen.wan:
        yield _chain("egress_wan", _egress_wan(inp, seen))


def _egress_wan(inp: PlanInput, seen: View) -> Iterator[str]:
    marks = [MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR, *((MARK_DIRECT,) if seen.direct else ())]
    yield f"meta mark {_any(_mark(m) for m in marks)} accept"
    # What comes from the LAN has a mark, always: from here on it is the gateway's own.
    yield f"meta mark != 0x0 {_drop('egress')}"
    yield f"{_DHCP4} accept"
    yield f"{_DHCP6} accept"
    yield f"icmpv6 type {{ {_NEIGHBOUR}, {_MULTICAST} }} accept"
    if inp.time_sync_uid is not None:
        yield from (f"{servers} udp dport 123 accept" for servers in _time_servers(inp))
    yield _drop("egress")
