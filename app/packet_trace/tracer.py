"""Where a packet goes under a plan: rules, routes and the ruleset's own text, carried out (pure).

This is how the tests, and whoever asks "why is it blocked?", know what a plan does without a kernel. The order is the
kernel's: prerouting, routing decision, then input, or forward and postrouting; for the gateway's own packets routing,
output, a second routing decision where a mark or address has changed, postrouting.

Either lock can be taken away: without ``nft`` no chain is run, without ``rules`` everything is looked up in main.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import msgspec
from msgspec import Struct

from app.addresses import Address, Interface
from app.network.plan import NetworkPlan, RoutePlan, RulePlan
from app.network.planner import TABLE_MAIN
from app.packet_trace.nft_interpreter import run
from app.packet_trace.nft_parser import Nat, Ruleset, parse
from app.packet_trace.packet import Packet

_NAT = {"prerouting": -100, "output": -100, "postrouting": 100}  # where the kernel translates, by hook
_PROTOCOL_NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "icmpv6": 58}


Ending = Literal["sent", "local", "dropped", "rejected", "reset", "unroutable"]
_STOPPED: dict[str, Ending] = {"drop": "dropped", "reject": "rejected", "reset": "reset"}


class Outcome(Struct, frozen=True):
    """``packet`` as it left (``sent``), as it reached the gateway (``local``) or where it was stopped.

    ``counted`` names the counters it raised, in order.
    """

    kind: Ending
    packet: Packet
    counted: tuple[str, ...] = ()

    @property
    def link(self) -> str | None:
        """The interface that it left by; None where it did not."""
        return self.packet.oif if self.kind == "sent" else None


class Surroundings(Struct, frozen=True):
    """The kernel state that is not the plan's: the main table and the addresses of other links."""

    main: tuple[RoutePlan, ...]
    addresses: tuple[tuple[str, Interface], ...] = ()


class Hop(Struct, frozen=True):
    """The next step of a packet: by interface ``link`` to the neighbour ``via``."""

    link: str
    via: Address


class Evaluator:
    """A plan in its surroundings. Raises ValueError where the ruleset's text is not understood."""

    def __init__(self, plan: NetworkPlan, around: Surroundings, *, nft: bool = True, rules: bool = True) -> None:
        self._ruleset: Ruleset = parse(plan.ruleset if nft else _EMPTY)
        self._rules = sorted(plan.rules, key=lambda r: r.priority) if rules else []
        self._tables: dict[int, list[RoutePlan]] = {TABLE_MAIN: list(around.main)}
        if rules:
            for route in plan.routes:
                self._tables.setdefault(route.table, []).append(route)
        links = ((link.name, a) for link in plan.links for a in link.addresses)
        self._addresses = (*plan.lan_addresses, *links, *around.addresses)

    def send(self, packet: Packet) -> Outcome:
        """What becomes of ``packet``: one that arrives on ``iif``, or the gateway's own where that is empty.

        An own packet whose ``oif`` is given is bound to that interface (SO_BINDTODEVICE); one whose source is the
        unspecified address gets one as the kernel gives it.
        """
        return _Journey(self, packet).forwarded() if packet.iif else _Journey(self, packet).own()

    # --- what the journey asks -------------------------------------------------------------------------------------

    @property
    def ruleset(self) -> Ruleset:
        return self._ruleset

    def address_of(self, interface: str, towards: Address, hop: Address | None = None) -> Address | None:
        """The source for a packet to ``towards`` by neighbour ``hop``; None where the interface has no address.

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
        """The way of ``packet``, by "lo" where it is for the gateway itself; None where there is none."""
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

    def _lookup(self, rule: RulePlan, address: Address) -> RoutePlan | None:
        fitting = [
            r
            for r in self._tables.get(rule.table or TABLE_MAIN, ())
            if r.dst.version == address.version
            and address in r.dst
            and (rule.suppress_prefixlength is None or r.dst.prefixlen > rule.suppress_prefixlength)
        ]
        return min(fitting, key=lambda r: (-r.dst.prefixlen, r.metric), default=None)


_EMPTY = "table inet none { }\ndelete table inet none\ntable inet none { }\n"


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


def _group(address: Address) -> bool:
    """Multicast, or IPv4's broadcast to everybody on the link."""
    return address.is_multicast or address == IPv4Address("255.255.255.255")


class _StoppedError(Exception):
    def __init__(self, kind: Ending) -> None:
        self.kind: Ending = kind


class _Journey:
    def __init__(self, world: Evaluator, packet: Packet) -> None:
        self._world = world
        self._packet = packet
        self._counted: list[str] = []
        self._hop = Hop(packet.oif, packet.dst)

    def forwarded(self) -> Outcome:
        try:
            self._pass("prerouting")
            if self._packet.src.is_loopback:
                raise _StoppedError("dropped")  # a martian (RFC 1812, 5.3.7) to the kernel itself
            # The gateway routes no multicast: such a packet is for itself or for nobody.
            if _group(self._packet.dst) or self._route() == "lo":
                self._pass("input")
                return self._outcome("local")
            if self._packet.src.is_link_local or self._packet.src.is_unspecified:
                raise _StoppedError("unroutable")  # ip6_forward() in the kernel
            self._set(oif=self._hop.link)
            self._pass("forward")
            self._pass("postrouting")
        except _StoppedError as stop:
            return self._outcome(stop.kind)
        return self._outcome("sent")

    def own(self) -> Outcome:
        bound = self._packet.oif
        try:
            self._set(oif=bound or self._route())
            if self._packet.src.is_unspecified and not _group(self._packet.dst):
                source = self._world.address_of(self._packet.oif, self._packet.dst, self._hop.via)
                if source is not None:
                    self._set(src=source)
            before = self._packet
            self._pass("output", below=0)
            if not bound and (before.mark, before.dst) != (self._packet.mark, self._packet.dst):
                self._set(oif=self._route())
            self._pass("output", above=0)
            self._pass("postrouting")
            if self._packet.oif == "lo":
                self._set(iif="lo", oif="")
                self._pass("prerouting")
                self._pass("input")
                return self._outcome("local")
        except _StoppedError as stop:
            return self._outcome(stop.kind)
        return self._outcome("sent")

    # --- steps -----------------------------------------------------------------------------------------------------

    def _route(self) -> str:
        found = self._world.route(self._packet)
        if found is None:
            raise _StoppedError("unroutable")
        self._hop = found
        return found.link

    def _pass(self, hook: str, *, below: int | None = None, above: int | None = None) -> None:
        for chain in self._world.ruleset.at(hook):
            if (below is not None and chain.priority >= below) or (above is not None and chain.priority < above):
                continue
            if chain.priority >= _NAT.get(hook, 0):
                self._tracked(hook)
            if chain.kind == "nat" and self._packet.ct_state != "new":
                continue  # what its first packet was given holds for the whole connection
            passed = run(self._world.ruleset, chain, self._packet)
            self._counted += passed.counted
            self._packet = passed.packet
            if passed.verdict != "accept":
                raise _StoppedError(_STOPPED[passed.verdict])
            if passed.nat is not None:
                self._translate(passed.nat)
        self._tracked(hook)

    def _tracked(self, hook: str) -> None:
        """Apply the translations of an established connection."""
        if self._packet.ct_state not in {"established", "related"}:
            return
        if hook in {"prerouting", "output"} and self._packet.ct_dst is not None:
            self._set(dst=self._packet.ct_dst)
        if hook == "postrouting" and self._packet.ct_src is not None:
            self._set(src=self._packet.ct_src)

    def _translate(self, nat: Nat) -> None:
        match nat.kind:
            case "dnat":
                self._set(dst=nat.addresses[0])
            case "redirect":
                address = self._world.address_of(self._packet.iif, self._packet.src)
                if address is None:
                    raise _StoppedError("dropped")
                port = nat.port if isinstance(nat.port, int) else self._packet.dport
                self._set(dst=address, dport=port)
            case "masquerade":
                address = self._world.address_of(self._packet.oif, self._packet.dst, self._hop.via)
                if address is None:
                    raise _StoppedError("dropped")
                self._set(src=address)

    def _set(self, **changes: Address | str | int) -> None:
        self._packet = msgspec.structs.replace(self._packet, **changes)

    def _outcome(self, kind: Ending) -> Outcome:
        return Outcome(kind, self._packet, tuple(self._counted))


def unspecified(family: Literal[4, 6]) -> Address:
    """The source of a packet that has none yet."""
    return IPv4Address(0) if family == 4 else IPv6Address(0)
