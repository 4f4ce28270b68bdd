"""The packet tracer: where a packet goes under a plan, by the plan's rules, routes and the ruleset's own text (pure).

With it the tests, and whoever asks "why is it blocked?", know what a plan does without a kernel. Either lock can be
taken away: without ``nft`` no chain is run, without ``rules`` everything is looked up in main.
"""

from __future__ import annotations

from app.network.plan import NetworkPlan
from app.packet_trace.host import Host, Surroundings
from app.packet_trace.journey import Journey, PacketOutcome
from app.packet_trace.nft_model import Ruleset
from app.packet_trace.packet import Packet


class PacketTracer:
    """A plan in its surroundings. Raises ValueError where the ruleset's text is not understood."""

    def __init__(self, plan: NetworkPlan, around: Surroundings, *, nft: bool = True, rules: bool = True) -> None:
        self._host = Host(plan, around, nft=nft, rules=rules)

    @property
    def ruleset(self) -> Ruleset:
        return self._host.ruleset

    def send(self, packet: Packet) -> PacketOutcome:
        """What becomes of ``packet``: one that arrives on ``iif``, or the gateway's own where that is empty.

        An own packet whose ``oif`` is given is bound to that interface (SO_BINDTODEVICE); one whose source is the
        unspecified address gets one as the kernel gives it.
        """
        return Journey(self._host, packet).forwarded() if packet.iif else Journey(self._host, packet).own()
