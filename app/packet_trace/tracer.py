"""The packet tracer: computes the path of a packet from a plan's rules, routes and ruleset text (pure).

It answers "why is this packet blocked?" and lets the tests check a plan without a kernel. Each of the three locks can
be left out: without ``nft`` no chain runs, without ``rules`` every packet is routed by main, without ``ports`` no port
has a filter.
"""

from __future__ import annotations

from app.network.plan import NetworkPlan
from app.packet_trace.host import Host, Surroundings
from app.packet_trace.journey import Journey, PacketOutcome
from app.packet_trace.nft_model import Ruleset
from app.packet_trace.packet import Packet


class PacketTracer:
    """A tracer for a plan in its surroundings. Raises ValueError where the ruleset's text cannot be parsed."""

    def __init__(
        self, plan: NetworkPlan, around: Surroundings, *, nft: bool = True, rules: bool = True, ports: bool = True
    ) -> None:
        self._host = Host(plan, around, nft=nft, rules=rules, ports=ports)

    @property
    def ruleset(self) -> Ruleset:
        return self._host.ruleset

    def send(self, packet: Packet) -> PacketOutcome:
        """The outcome of ``packet``, which arrives on ``iif`` or, where that is empty, is sent by the gateway.

        A packet of the gateway with ``oif`` is bound to that interface (SO_BINDTODEVICE); an unspecified source is
        chosen as the kernel does it.
        """
        return Journey(self._host, packet).forward() if packet.iif else Journey(self._host, packet).send_own()
