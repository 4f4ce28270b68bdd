"""The rules for the canary: its devices get their marks, and nobody else by taking their MAC address."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.canary.identity import mac, policies
from app.model import BlockedPolicy
from app.network.accounting import parse
from app.network.links import CANARY_LINKS, LinkState, members, without_canary
from app.network.nft_delta import delta
from app.network.nft_layout import layout
from app.network.plan import MARK_CANARY, exit_mark
from app.network.planner import plan
from app.packet_trace import Packet, PacketTracer
from tests.unit.network.scenarios import default_exit, inputs, tunnel
from tests.unit.network.test_kernel import surroundings

CANARY = policies(("default",))


def outcome(source_mac: str, mark: int, *, lan: tuple[str, ...] = ("br-lan",)) -> object:
    # Every device is blocked but the canary: a blocked one must not become the canary.
    one = inputs(default_exit(active=tunnel()), default=BlockedPolicy(), canary=CANARY, lan=lan)
    packet = Packet(
        ip_address("192.168.77.50"), ip_address("9.9.9.9"), "udp", 4000, 4000, iif="br-lan", mac=source_mac, mark=mark
    )
    return PacketTracer(plan(one), surroundings(one)).send(packet)


def test_the_canary_goes_where_its_exit_goes() -> None:
    found = outcome(mac(0), MARK_CANARY)
    assert "wg0a" in repr(found), found


@pytest.mark.parametrize(
    ("address", "mark"), [(mac(0), 0), ("02:00:00:00:00:77", 0), ("02:00:00:00:00:77", MARK_CANARY)]
)
def test_nobody_takes_its_place(address: str, mark: int) -> None:
    assert "wg0a" not in repr(outcome(address, mark))


def test_a_canary_of_one_more_exit_is_two_elements() -> None:
    before, after = (
        layout(plan(inputs(default_exit(), canary=policies(names))).transaction)
        for names in (("default",), ("default", "work"))
    )
    changes = delta(before, after)
    assert changes is not None
    assert {change.name[1] for change in changes} == {"canary", "canary_mark"}
    assert exit_mark(0) != MARK_CANARY


def test_its_cable_is_no_port_of_people() -> None:
    def link(index: int, kind: str, master: int = 0) -> LinkState:
        return LinkState(index, True, True, 1500, kind, True, master, False, "", frozenset(), frozenset())

    state = {"br-lan": link(1, "bridge"), "lan0": link(2, "veth", 1)}
    state |= {name: link(3 + n, "veth", 1 - n) for n, name in enumerate(CANARY_LINKS)}
    assert members("br-lan", state) == {"lan0"}
    assert set(without_canary(state)) == {"br-lan", "lan0"}


def test_its_bytes_are_no_devices() -> None:
    listing = (
        b'{"nftables":[{"table":{"handle":1}},{"set":{"name":"up_devices","elem":['
        b'{"elem":{"val":"%s","counter":{"packets":1,"bytes":9}}},'
        b'{"elem":{"val":"02:00:00:00:00:01","counter":{"packets":1,"bytes":9}}}]}}]}' % mac(0).encode()
    )
    assert [counter.subject.name for counter in parse(listing, "here")] == ["02:00:00:00:00:01"]
