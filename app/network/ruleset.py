"""The nftables ruleset of a plan, as one ``nft -f`` transaction that replaces the whole table (pure).

Order matters and is explained where it does. Two things hold everywhere: what a LAN device sends is judged packet by
packet, by its mark and the interface it leaves by, and never let out because it is "established"; and a chain that
guards something ends in drop. Loads with nft 1.0.6 and later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from app.addresses import Address, Network
from app.network.plan import (
    MARK_BLOCKED,
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_LOOKUP,
    MARK_TRANSPORT,
    NFT_TABLE,
    RESOLVER_PORT_BASE,
    RESOLVER_VIP4,
    RESOLVER_VIP6,
    PlanInput,
    TransportPeer,
    TunnelPlan,
    exit_interface,
    exit_mark,
)
from app.network.policy import any_direct, carrying, existing, mark_of

# One counter for each reason a packet is stopped; status and metrics show them under these names less "drop_".
COUNTERS = (
    "drop_spoofed",  # a LAN source that is not the LAN's
    "drop_wan_spoofed",  # from the WAN with a source or destination of ours
    "drop_tunnel_address",  # to a tunnel's address from elsewhere (CVE-2019-14899)
    "drop_blocked",  # the device's exit carries nothing now
    "drop_device_blocked",  # the device's own policy
    "drop_ipv6",  # IPv6 for which the tunnel has no route
    "drop_dns",  # a forwarded DNS query, which the redirect should have taken
    "drop_forward",  # forwarded by a way that is not the device's
    "drop_unsolicited",  # from outside, asked for by nobody
    "drop_invalid",  # no connection that conntrack knows
    "drop_input",  # to the gateway itself
    "drop_output",  # from the gateway itself, not on the closed list
    "drop_egress",  # the last look before the WAN
)
VIP4 = IPv4Network(f"{RESOLVER_VIP4}/24")
VIP6 = IPv6Network(f"{RESOLVER_VIP6}/64")


def render(inp: PlanInput) -> str:
    """The whole transaction. Equal inputs give equal text."""
    return _Ruleset(inp).text()


def _elements(items: Iterable[object]) -> str:
    return ", ".join(str(i) for i in items)


def _quoted(names: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in names]


class _Ruleset:
    def __init__(self, inp: PlanInput) -> None:
        self.inp = inp
        self.wan = inp.links.wan.name if inp.links.wan else None
        self.direct = any_direct(inp)
        self.lan_names = [link.name for link in inp.links.lan]
        self.lan4 = inp.lan.address.network
        self.lan6 = inp.lan.ula.network if inp.lan.ula else None
        self.tunnels = [(exit_interface(e.index, t.slot), t) for e in inp.exits for t in existing(e)]
        self.carriers = [(e, exit_interface(e.index, t.slot), t) for e in inp.exits for t in carrying(e)]

    def text(self) -> str:
        body: list[str] = []
        body += [f"counter {name} {{ }}" for name in COUNTERS]
        body += self.sets()
        for name, hook, rules in (
            ("raw_prerouting", "type filter hook prerouting priority raw; policy accept;", self.raw_prerouting()),
            ("mark_prerouting", "type filter hook prerouting priority mangle; policy accept;", self.mark_prerouting()),
            ("nat_prerouting", "type nat hook prerouting priority dstnat; policy accept;", self.nat_prerouting()),
            ("input", "type filter hook input priority filter; policy drop;", self.input()),
            ("forward", "type filter hook forward priority filter; policy drop;", self.forward()),
            ("mark_output", "type route hook output priority mangle; policy accept;", self.mark_output()),
            ("nat_output", "type nat hook output priority -100; policy accept;", self.nat_output()),
            ("output", "type filter hook output priority filter; policy drop;", self.output()),
            ("nat_postrouting", "type nat hook postrouting priority srcnat; policy accept;", self.nat_postrouting()),
            ("egress", "type filter hook postrouting priority 300; policy accept;", self.egress()),
        ):
            body += [f"chain {name} {{", f"\t{hook}", *(f"\t{rule}" for rule in rules), "}"]
        refuse = ("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited")
        refuse_at = next(i for i, line in enumerate(body) if line.startswith("chain "))
        body[refuse_at:refuse_at] = ["chain refuse {", *(f"\t{r}" for r in refuse), "}"]
        lines = [f"table inet {NFT_TABLE} {{ }}", f"delete table inet {NFT_TABLE}", f"table inet {NFT_TABLE} {{"]
        return "\n".join([*lines, *(f"\t{line}" for line in body), "}"]) + "\n"

    # --- sets ------------------------------------------------------------------------------------------------------

    def sets(self) -> Iterator[str]:
        yield from _set("lan", "ifname", _quoted(self.lan_names))
        yield from _set("tunnels", "ifname", _quoted(name for name, _ in self.tunnels))
        yield from _set("carriers", "ifname", _quoted(name for _, name, _ in self.carriers))
        out = [f'{exit_mark(e.index):#x} . "{name}"' for e, name, _ in self.carriers]
        yield from _set("exit_out", "mark . ifname", out)
        devices = [f"{mac} : {mark_of(policy, self.inp.exits):#x}" for mac, policy in sorted(self.inp.devices)]
        yield from _map("device_mark", "ether_addr : mark", devices)
        ports = [
            f"{exit_mark(e.index):#x} : {RESOLVER_PORT_BASE + e.index + 1}" for e in self.inp.exits if e.active is not None
        ]
        if self.direct:
            ports.append(f"{MARK_DIRECT:#x} : {RESOLVER_PORT_BASE}")
        yield from _map("dns_port", "mark : inet_service", ports)
        for version in (4, 6):
            blocked = [f"{exit_mark(e.index):#x}" for e in self.inp.exits if not _routes_any(e.active, version)]
            yield from _set(f"blocked{version}", "mark", blocked)
            kind = f"ipv{version}_addr"
            peers = {p for _, t in self.tunnels for p in t.transport if p.address.version == version}
            yield from _set(f"peers{version}", f"{kind} . inet_service", _pairs(peers))
            clear = {p for p in self.inp.clear_api if p.address.version == version}
            yield from _set(f"clear{version}", f"{kind} . inet_service", _pairs(clear))
            owned = [(name, a.ip) for name, t in self.tunnels for a in t.addresses if a.version == version]
            yield from _set(f"tunnel_addresses{version}", kind, sorted({a for _, a in owned}))
            pairs = [f'"{name}" . {address}' for name, address in owned]
            yield from _set(f"tunnel_owners{version}", f"ifname . {kind}", pairs)
        if self.inp.flowtable and self.carriers and self.lan_names:
            devices_ = [*self.lan_names, *(name for _, name, _ in self.carriers)]
            yield from ("flowtable offload {", "\thook ingress priority filter", f"\tdevices = {{ {_elements(_quoted(devices_))} }}", "}")

    # --- prerouting ------------------------------------------------------------------------------------------------

    def raw_prerouting(self) -> Iterator[str]:
        """Sources are checked against the plan, not by rp_filter: that would drop replies on the WAN while blocked."""
        yield 'iifname "lo" accept'
        for version, family in ((4, "ip"), (6, "ip6")):
            yield (
                f"{family} daddr @tunnel_addresses{version} iifname . {family} daddr != @tunnel_owners{version} "
                "counter name drop_tunnel_address drop"
            )
        if self.wan and self.wan not in self.lan_names:
            ours = f"{{ {self.lan4}, 127.0.0.0/8 }}"
            yield f'iifname "{self.wan}" ip saddr {ours} counter name drop_wan_spoofed drop'
            yield f'iifname "{self.wan}" ip daddr {ours} counter name drop_wan_spoofed drop'
            if self.lan6:
                yield f'iifname "{self.wan}" ip6 saddr {self.lan6} counter name drop_wan_spoofed drop'
                yield f'iifname "{self.wan}" ip6 daddr {self.lan6} counter name drop_wan_spoofed drop'
        yield f"iifname @tunnels ip saddr {{ {self.lan4}, 127.0.0.0/8 }} counter name drop_wan_spoofed drop"
        if self.lan6:
            yield f"iifname @tunnels ip6 saddr {self.lan6} counter name drop_wan_spoofed drop"
        yield "iifname @lan ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept"
        yield f"iifname @lan ip saddr != {self.lan4} counter name drop_spoofed drop"
        allowed6 = _elements([*([self.lan6] if self.lan6 else []), "fe80::/10", "::"])
        yield f"iifname @lan ip6 saddr != {{ {allowed6} }} counter name drop_spoofed drop"

    def mark_prerouting(self) -> Iterator[str]:
        """Each packet of the LAN gets its device's mark, here and nowhere else; routing and forward go by it.

        What will be stopped is counted here because the routing lock rejects it before the forward hook.
        """
        yield f"iifname @lan meta mark set {mark_of(self.inp.default_policy, self.inp.exits):#x}"
        yield "iifname @lan meta mark set ether saddr map @device_mark"
        yield "iifname @lan ct mark set meta mark"
        elsewhere = f"iifname @lan fib daddr type unicast ip daddr != {self.lan4}"
        yield f"{elsewhere} meta mark {MARK_BLOCKED:#x} counter name drop_device_blocked"
        yield f"{elsewhere} meta mark @blocked4 counter name drop_blocked"
        not_ours6 = f"ip6 daddr != {{ {_elements([*([self.lan6] if self.lan6 else []), 'fe80::/10', 'ff00::/8'])} }}"
        elsewhere6 = f"iifname @lan fib daddr type unicast {not_ours6}"
        yield f"{elsewhere6} meta mark {MARK_BLOCKED:#x} counter name drop_device_blocked"
        yield f"{elsewhere6} meta mark @blocked6 counter name drop_ipv6"

    def nat_prerouting(self) -> Iterator[str]:
        """Whatever resolver a device asks, the gateway answers; a device without a way out gets LAN names only."""
        query = "iifname @lan meta l4proto { tcp, udp } th dport 53"
        yield f"{query} redirect to :meta mark map @dns_port"
        yield f"{query} redirect to :53"

    # --- to the gateway --------------------------------------------------------------------------------------------

    def input(self) -> Iterator[str]:
        yield 'iifname "lo" accept'
        if self.wan:
            for version, family in ((4, "ip"), (6, "ip6")):
                # Before conntrack has its say: a peer may be the one to speak first after the table was flushed.
                yield f'iifname "{self.wan}" {family} saddr . udp sport @peers{version} accept'
        yield "ct state established,related accept"
        yield "ct state invalid counter name drop_invalid drop"
        nd = "{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"
        yield f"iifname @lan icmpv6 type {nd} ip6 hoplimit 255 accept"
        yield "iifname @lan icmpv6 type { mld-listener-query, mld-listener-report, mld2-listener-report } accept"
        yield "iifname @lan icmp type echo-request accept"
        yield "iifname @lan icmpv6 type echo-request accept"
        yield "iifname @lan udp sport 68 udp dport 67 accept"
        yield "iifname @lan udp sport 546 udp dport 547 accept"
        # A forwarder is reached by the redirect alone, so that no device asks another exit's resolver.
        first, last = RESOLVER_PORT_BASE, RESOLVER_PORT_BASE + 255
        yield f"iifname @lan meta l4proto {{ tcp, udp }} th dport {first}-{last} ct original proto-dst 53 accept"
        yield "iifname @lan meta l4proto { tcp, udp } th dport 53 accept"
        yield f"iifname @lan tcp dport {{ {_elements(sorted(self.inp.http_ports))} }} accept"
        yield "iifname @lan udp dport 5353 ip daddr 224.0.0.251 accept"
        yield "iifname @lan udp dport 5353 ip6 daddr ff02::fb accept"
        if self.wan:
            yield f'iifname "{self.wan}" udp sport 67 udp dport 68 accept'
            yield f'iifname "{self.wan}" ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept'
            yield f'iifname "{self.wan}" icmpv6 type {nd} ip6 hoplimit 255 accept'
        yield "counter name drop_input drop"

    # --- through the gateway ---------------------------------------------------------------------------------------

    def forward(self) -> Iterator[str]:
        yield "ct state invalid counter name drop_invalid drop"
        yield "iifname @lan oifname @lan accept" if self.wan not in self.lan_names else (
            f"iifname @lan oifname @lan ip daddr {self.lan4} accept"
        )
        yield "iifname @lan meta l4proto { tcp, udp } th dport 53 counter name drop_dns goto refuse"
        for _, name, tunnel in self.carriers:
            for way in ("iifname", "oifname"):
                syn = f'{way} "{name}" tcp flags & (syn | rst) == syn tcp option maxseg size set'
                yield f"meta nfproto ipv4 {syn} {tunnel.mtu - 40}"
                yield f"meta nfproto ipv6 {syn} {tunnel.mtu - 60}"
        if self.inp.flowtable and self.carriers and self.lan_names:
            yield "iifname @lan meta mark . oifname @exit_out ct state established flow add @offload"
        yield "iifname @lan meta mark . oifname @exit_out accept"
        yield "iifname @carriers oifname @lan ct state established,related accept"
        if self.direct and self.wan:
            yield f'iifname @lan oifname "{self.wan}" meta mark {MARK_DIRECT:#x} accept'
            yield (
                f'iifname "{self.wan}" oifname @lan ct mark {MARK_DIRECT:#x} ct state established,related accept'
            )
        yield "iifname @lan counter name drop_forward goto refuse"
        yield "counter name drop_unsolicited drop"

    # --- from the gateway ------------------------------------------------------------------------------------------

    def resolvers(self) -> Iterator[tuple[int, int, tuple[Address, ...]]]:
        """(number of the virtual address, mark, resolvers) of each forwarder that has somebody to ask."""
        for exit_ in self.inp.exits:
            if exit_.active is not None:
                yield exit_.index + 1, exit_mark(exit_.index), exit_.active.dns
        if self.direct and self.inp.links.wan is not None:
            yield 0, MARK_DIRECT, self.inp.links.wan.nameservers

    def mark_output(self) -> Iterator[str]:
        """The forwarders' queries take their exit's way; a route chain, since the mark decides the route."""
        for number, mark, _ in self.resolvers():
            yield f"ip daddr {RESOLVER_VIP4 + number} meta mark set {mark:#x} ct mark set {mark:#x}"
            yield f"ip6 daddr {RESOLVER_VIP6 + number} meta mark set {mark:#x} ct mark set {mark:#x}"

    def nat_output(self) -> Iterator[str]:
        query = "meta l4proto { tcp, udp } th dport 53"
        for number, _, resolvers in self.resolvers():
            four = [a for a in resolvers if isinstance(a, IPv4Address)]
            six = [a for a in resolvers if not isinstance(a, IPv4Address)]
            if four:
                yield f"ip daddr {RESOLVER_VIP4 + number} {query} dnat ip to {_any_of(four)}"
            if six:
                yield f"ip6 daddr {RESOLVER_VIP6 + number} {query} dnat ip6 to {_any_of(six)}"

    def output(self) -> Iterator[str]:
        """The closed list: what the gateway itself may send. All else is dropped and counted."""
        yield 'oifname "lo" accept'
        # A resolver's stand-in that was not translated: no resolver of that family. Refused, so the other is asked.
        yield f"ip daddr {VIP4} reject"
        yield f"ip6 daddr {VIP6} reject"
        lan6 = _elements([*([self.lan6] if self.lan6 else []), "fe80::/10", "ff00::/8"])
        yield f"oifname @lan ip daddr {{ {self.lan4}, 255.255.255.255, 224.0.0.0/4 }} accept"
        yield f"oifname @lan ip6 daddr {{ {lan6} }} accept"
        yield "oifname @tunnels accept"
        if self.wan:
            yield from (f'oifname "{self.wan}" {rule}' for rule in self.closed_list())
        yield "counter name drop_output drop"

    def closed_list(self) -> Iterator[str]:
        for version, family in ((4, "ip"), (6, "ip6")):
            yield f"meta mark {MARK_TRANSPORT:#x} {family} daddr . udp dport @peers{version} accept"
            yield f"meta mark {MARK_CLEAR:#x} {family} daddr . tcp dport @clear{version} accept"
        yield "udp sport 68 udp dport 67 accept"
        yield "ip6 daddr { ff02::1:2, fe80::/10 } udp sport 546 udp dport 547 accept"
        yield "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept"
        yield "ip6 daddr ff02::16 icmpv6 type mld2-listener-report accept"
        yield "ip protocol igmp drop"  # the kernel's own, on every link; not worth an alarm
        asked = [(MARK_LOOKUP, self.inp.lookup_servers)]
        if self.direct and self.inp.links.wan:
            asked.append((MARK_DIRECT, self.inp.links.wan.nameservers))
        for mark, servers in asked:
            for family, of in (("ip", 4), ("ip6", 6)):
                addresses = [a for a in servers if a.version == of]
                if addresses:
                    yield (
                        f"meta mark {mark:#x} {family} daddr {{ {_elements(addresses)} }} "
                        "meta l4proto { tcp, udp } th dport 53 accept"
                    )
        if self.inp.time_sync_uid is not None:
            yield f"meta skuid {self.inp.time_sync_uid} udp dport 123 accept"

    # --- postrouting -----------------------------------------------------------------------------------------------

    def nat_postrouting(self) -> Iterator[str]:
        """Random ports, so that nobody beside us can guess or shadow one (CVE-2021-3773)."""
        yield "oifname @carriers masquerade fully-random"
        if self.direct and self.wan:
            yield f'oifname "{self.wan}" meta mark {MARK_DIRECT:#x} masquerade fully-random'

    def egress(self) -> Iterator[str]:
        """A second, independent look: whatever the forward chain thought, a LAN packet leaves by the WAN only if direct."""
        if self.wan and self.wan not in self.lan_names:
            permitted = f" meta mark != {MARK_DIRECT:#x}" if self.direct else ""
            yield f'oifname "{self.wan}" iifname @lan{permitted} counter name drop_egress drop'
            yield f'oifname "{self.wan}" iifname @tunnels counter name drop_egress drop'


def _routes_any(tunnel: TunnelPlan | None, version: int) -> bool:
    return tunnel is not None and any(n.version == version for n in tunnel.routes)


def _pairs(peers: Iterable[TransportPeer]) -> list[str]:
    return [f"{p.address} . {p.port}" for p in sorted(peers, key=lambda p: (int(p.address), p.port))]


def _any_of(addresses: list[Address]) -> str:
    if len(addresses) == 1:
        return str(addresses[0])
    choices = _elements(f"{i} : {a}" for i, a in enumerate(addresses))
    return f"numgen inc mod {len(addresses)} map {{ {choices} }}"


def _set(name: str, kind: str, elements: Iterable[object]) -> Iterator[str]:
    listed = _elements(dict.fromkeys(str(e) for e in elements))
    yield f"set {name} {{"
    yield f"\ttype {kind}"
    if listed:
        yield f"\telements = {{ {listed} }}"
    yield "}"


def _map(name: str, kind: str, elements: list[str]) -> Iterator[str]:
    yield f"map {name} {{"
    yield f"\ttype {kind}"
    if elements:
        yield f"\telements = {{ {_elements(elements)} }}"
    yield "}"


_ = Network
