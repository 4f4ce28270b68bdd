"""The gateway as a host: its ruleset, routing rules, routes and addresses under a plan (pure)."""

from __future__ import annotations

from msgspec import Struct

from app.addresses import Address, Interface
from app.network.plan import NetworkPlan, RoutePlan, RulePlan
from app.network.planner import TABLE_MAIN
from app.packet_trace.nft_elements import with_elements
from app.packet_trace.nft_model import Ruleset
from app.packet_trace.nft_parser import parse
from app.packet_trace.packet import Packet
from app.packet_trace.port_filter import passes

_PROTOCOL_NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "icmpv6": 58}
_EMPTY = "table inet none { }\ndelete table inet none\ntable inet none { }\n"


class Surroundings(Struct, frozen=True):
    """The kernel state beside the plan: the main table and the addresses of other links."""

    main: tuple[RoutePlan, ...]
    addresses: tuple[tuple[str, Interface], ...] = ()


class Hop(Struct, frozen=True):
    """The next hop of a packet: by interface ``link`` to the neighbour ``via``."""

    link: str
    via: Address


class Host:
    """A plan in its surroundings. Raises ValueError where the ruleset's text cannot be parsed."""

    def __init__(
        self, plan: NetworkPlan, around: Surroundings, *, nft: bool = True, rules: bool = True, ports: bool = True
    ) -> None:
        ruleset = parse(plan.ruleset if nft else _EMPTY)
        self.ruleset: Ruleset = with_elements(ruleset, plan.timed) if nft else ruleset
        self._rules = sorted(plan.rules, key=lambda r: r.priority) if rules else []
        self._tables: dict[int, list[RoutePlan]] = {TABLE_MAIN: list(around.main)}
        if rules:
            for route in plan.routes:
                self._tables.setdefault(route.table, []).append(route)
        self._filters = {egress.interface: egress for egress in plan.egress} if ports else {}
        links = ((link.name, a) for link in plan.links for a in link.addresses)
        self._addresses = (*plan.lan_addresses, *links, *around.addresses)

    def address_of(self, interface: str, towards: Address, hop: Address | None = None) -> Address | None:
        """The source address for a packet to ``towards`` by neighbour ``hop``; None where the interface has none.

        IPv4: the address in the hop's network, else the first. IPv6: the longest common prefix (RFC 6724, rule 8).
        """
        own = [a for name, a in self._addresses if name == interface and a.version == towards.version]
        if not own:
            return None
        if towards.version == 6:
            return max((a.ip for a in own), key=lambda a: -(int(a) ^ int(towards)).bit_length())
        return next((a.ip for a in own if hop is not None and hop in a.network), own[0].ip)

    def is_local(self, address: Address) -> bool:
        return any(a.ip == address for _, a in self._addresses) or address.is_loopback

    def route(self, packet: Packet) -> Hop | None:
        """The next hop of ``packet``, by "lo" where it is for the gateway itself; None where there is no route."""
        if self.is_local(packet.dst):
            return Hop("lo", packet.dst)
        for rule in (*self._rules, RulePlan(32766, packet.family, TABLE_MAIN)):
            if not _applies(rule, packet):
                continue
            if rule.table is None:
                return None
            found = self._lookup(rule, packet.dst)
            if found is not None:
                return Hop(found.oif, found.gateway or packet.dst) if found.oif else None
        return None

    def may_leave(self, packet: Packet) -> bool:
        """Whether the filter of the port lets the packet leave (:mod:`app.network.egress_filter`)."""
        egress = self._filters.get(packet.oif)
        return egress is None or passes(egress, packet)

    def _lookup(self, rule: RulePlan, address: Address) -> RoutePlan | None:
        fitting = [
            r
            for r in self._tables.get(rule.table or TABLE_MAIN, ())
            if r.dst.version == address.version
            and address in r.dst
            and (rule.suppress_prefixlength is None or r.dst.prefixlen > rule.suppress_prefixlength)
        ]
        return min(fitting, key=lambda r: (-r.dst.prefixlen, r.metric), default=None)


def _applies(rule: RulePlan, packet: Packet) -> bool:
    return (
        rule.family == packet.family
        and rule.iif in {None, packet.iif or "lo"}
        and (rule.oif is None or (not packet.iif and rule.oif == packet.oif))
        and rule.fwmark in {None, packet.mark}
        and (rule.dst is None or (rule.dst.version == packet.dst.version and packet.dst in rule.dst))
        and rule.ip_proto in {None, _PROTOCOL_NUMBERS[packet.proto]}
        and rule.sport in {None, packet.sport}
        and rule.dport in {None, packet.dport}
    )
