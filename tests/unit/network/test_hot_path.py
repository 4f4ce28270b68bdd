"""The rules that a packet of an established connection meets: each costs every packet of every device."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.network.planner import plan
from app.packet_trace import Packet, PacketTracer, nft_interpreter
from app.packet_trace.nft_model import NftVerdict, Statement
from tests.unit.network.corpus import ROUTER_MAC
from tests.unit.network.scenarios import SCENARIOS, surroundings

OUT = Packet(
    ip_address("192.168.77.20"), ip_address("9.9.9.9"), "tcp", 40000, 443, syn=False, iif="br-lan",
    mac="02:00:00:00:00:01", ct_state="established", ct_mark=0x10, ct_src=ip_address("203.0.113.5"),
)  # fmt: skip
BACK = Packet(
    ip_address("9.9.9.9"), ip_address("203.0.113.5"), "tcp", 443, 40000, syn=False, iif="wan", mac=ROUTER_MAC,
    ct_state="established", ct_mark=0x10, ct_dst=ip_address("192.168.77.20"),
)  # fmt: skip


@pytest.mark.parametrize(("packet", "link", "most"), [(OUT, "wan", 17), (BACK, "br-lan", 14)], ids=["out", "back"])
def test_established_packets_meet_few_rules(
    packet: Packet, link: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inp = SCENARIOS["policies"]()
    met: list[tuple[Statement, ...]] = []
    run = nft_interpreter.Evaluation.rule

    def watched(self: nft_interpreter.Evaluation, rule: tuple[Statement, ...]) -> NftVerdict | None:
        met.append(rule)
        return run(self, rule)

    monkeypatch.setattr(nft_interpreter.Evaluation, "rule", watched)
    outcome = PacketTracer(plan(inp), surroundings(inp)).send(packet)
    assert outcome.link == link, outcome
    assert len(met) <= most, len(met)
