"""The carrier: takes one packet of a device through a plan to its end, and the tunnel's own packet after it (pure).

It is the packet tracer, whose rules, routes and filters are the plan's own text and whose outcomes the tests compare
with a kernel's; here its outcome is only named. The text is parsed for each question: some ten milliseconds on a PC.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from app.addresses import Address, Family
from app.explain.surroundings import surroundings
from app.network.plan import MARK_TRANSPORT, OWN_PORTS, RESOLVER_PORT_BASE, PlanInput, exit_interface, exit_mark
from app.network.planner import plan
from app.network.resolvers import within
from app.packet_trace import Packet, PacketOutcome, PacketTracer, unspecified
from app.protocol.explanations import TransportProtocol, Verdict

# For "any address on the Internet": documentation's (RFC 5737, RFC 3849), which no network of anybody has.
ANYWHERE: dict[Family, Address] = {4: IPv4Address("192.0.2.1"), 6: IPv6Address("2001:db8::1")}
DROP = "drop_"
NO_WAY = "no_way"  # routing refuses it before any rule counts it
PORT_FILTER = "port_filter"
SOURCE_PORT = 40000
LAN_RESOLVER, DIRECT_RESOLVER = 53, RESOLVER_PORT_BASE


class Carried(Struct, frozen=True):
    """The end of a packet."""

    verdict: Verdict
    exit: str | None = None  # whose mark it has
    interface: str | None = None
    source: Address | None = None  # outside of the LAN
    rule: str | None = None
    counter: str | None = None
    port: int = 0  # on the gateway, where it ends there


class Carrier:
    """The carrier of packets from the LAN. Raises InvalidFieldError where no network can be planned of ``inputs``."""

    def __init__(self, inputs: PlanInput) -> None:
        self._inputs = inputs
        self._tracer = PacketTracer(plan(inputs), surroundings(inputs))
        self._exits = {exit_mark(e.index): e.name for e in inputs.exits}

    def asks_outside(self, resolver: int | None) -> bool:
        """Whether the resolver at that port asks those of an exit: not the WAN's, and not the LAN's own alone."""
        return resolver is not None and any(resolver == RESOLVER_PORT_BASE + e.index + 1 for e in self._inputs.exits)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families in which the LAN has addresses, if there is a LAN."""
        if not self._inputs.links.lan:
            return ()
        return (4, 6) if self._inputs.lan.ula else (4,)

    def carry(
        self, mac: str, own: Address | None, to: Address, protocol: TransportProtocol = "tcp", port: int = 443
    ) -> Carried:
        """The end of the first packet of a connection from the device to ``to``; ``own`` is the device's address."""
        if to not in self._gateways and self.is_here(to):
            return Carried("lan")
        six = to.version == 6
        packet = Packet(
            src=own if own is not None else self._some_host(6 if six else 4),
            dst=to,
            proto=("icmpv6" if six else "icmp") if protocol == "icmp" else protocol,
            sport=0 if protocol == "icmp" else SOURCE_PORT,
            dport=0 if protocol == "icmp" else port,
            iif=self._inputs.links.lan[0].name,
            mac=mac,
        )
        return self._named(self._tracer.send(packet))

    def resolver_port(self, mac: str, own: Address | None) -> int | None:
        """The port of the resolver that answers the device's questions for names; None where none is let through."""
        found = self.carry(mac, own, self._inputs.lan.address.ip, "udp", 53)
        return found.port if found.verdict == "gateway" else None

    def is_here(self, address: Address) -> bool:
        """Whether ``address`` is in the LAN."""
        return address.is_link_local or any(within(address, n) for n in self._inputs.lan.networks)

    # --- parts -------------------------------------------------------------------------------------------------------

    @property
    def _gateways(self) -> tuple[Address, ...]:
        lan = self._inputs.lan
        return (lan.address.ip, lan.ula.ip) if lan.ula else (lan.address.ip,)

    def _some_host(self, family: Family) -> Address:
        lan = self._inputs.lan
        if family == 4:
            return lan.dhcp_start if lan.dhcp_start in lan.address.network else lan.address.network[-2]
        return lan.ula.network[0xFFFF] if lan.ula else IPv6Address("fe80::ffff")

    def _named(self, outcome: PacketOutcome) -> Carried:
        exit_name = self._exits.get(outcome.packet.mark)
        if outcome.kind == "local":
            return Carried("gateway", exit_name, port=outcome.packet.dport)
        if outcome.kind != "sent":
            drops = [name for name in outcome.counted if name.startswith(DROP)]
            if drops:
                return Carried("blocked", exit_name, rule=drops[-1].removeprefix(DROP), counter=drops[-1])
            return Carried("blocked", exit_name, rule=NO_WAY if outcome.kind == "unroutable" else PORT_FILTER)
        link, source = outcome.packet.oif, outcome.packet.src
        wan = self._inputs.links.wan
        if wan is not None and link == wan.name and link not in self._tunnels:
            return Carried("clear" if wan.up else "lost", None, link, source)
        if link not in self._tunnels:
            return Carried("lan", interface=link)
        return Carried("tunnel" if self._leaves(link) else "lost", exit_name, link, source)

    @property
    def _tunnels(self) -> dict[str, tuple[tuple[Address, int], ...]]:
        """The endpoints of each tunnel by its interface."""
        return {
            exit_interface(e.index, t.slot): tuple((p.address, p.port) for p in t.transport)
            for e in self._inputs.exits
            for t in (e.draining, e.candidate, e.active)
            if t is not None
        }

    def _leaves(self, tunnel: str) -> bool:
        """Whether the tunnel's own packets to some endpoint leave the gateway.

        A WAN without carrier keeps its routes, and the kernel sends by them what nobody receives.
        """
        wan = self._inputs.links.wan
        if wan is None or not wan.up:
            return False
        for address, port in self._tunnels[tunnel]:
            own = Packet(
                src=unspecified(6 if address.version == 6 else 4),
                dst=address,
                proto="udp",
                sport=OWN_PORTS[0],
                dport=port,
                mark=MARK_TRANSPORT,
            )
            if self._tracer.send(own).kind == "sent":
                return True
        return False
