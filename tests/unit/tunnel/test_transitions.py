"""The history record of each transition between two states."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from msgspec.structs import replace

from app.network.plan import TransportPeer, TunnelPlan
from app.protocol.statistics import InterfaceBytes
from app.tunnel.states import Blocked, Connected, Connecting, Disconnected, Disconnecting, Reason, Target, Tunnel
from app.tunnel.transitions import Journal


def tunnel(name, slot="a"):
    peer = TransportPeer(ip_address("198.51.100.10"), 51820)
    plan = TunnelPlan(slot, (ip_interface("10.64.0.2/32"),), 1420, (peer,), (ip_network("0.0.0.0/0"),), ())
    return Tunnel(Target("custom", name), plan, "k" * 43 + "=", peer)


SE, DE = tunnel("se"), tunnel("de", "b")
UP = Connected(SE, 0.0, 100.0)
DOWN = Blocked(Reason.TUNNEL_DEAD, "dead", SE.target)


@pytest.mark.parametrize(
    ("old", "new", "cause", "server", "previous"),
    [
        (Disconnected(), Connecting(SE), "requested", "se", None),
        (Connecting(SE), Connecting(SE, 2), "retry", "se", None),
        (Connecting(SE), Connecting(DE), "requested", "de", "se"),
        (Connecting(SE), UP, "handshake", "se", None),
        (Disconnected(), UP, "adopted", "se", None),
        (UP, Connected(DE, 1.0, 200.0), "switched", "de", "se"),
        (UP, DOWN, "tunnel_dead", "se", None),
        (DOWN, Connecting(SE, 1), "retry", "se", None),
        (DOWN, Connecting(DE, 1), "requested", "de", "se"),
        (UP, Disconnecting(SE), "requested", "se", None),
        (Connecting(SE), Blocked(Reason.HANDSHAKE_TIMEOUT, "x", SE.target, 3), "handshake_timeout", "se", None),
    ],
)
def test_record_of_each_transition_has_cause_and_server(old, new, cause, server, previous):
    record = Journal(lambda: 150.0).on_transition("default", old, new, None, 1.0)
    assert (record.cause, record.server, record.provider, record.previous_server) == (cause, server, "custom", previous)
    assert (record.time, record.exit) == (1.0, "default")


def test_candidate_beside_active_tunnel_gives_no_record():
    with_candidate = replace(UP, candidate=DE)
    journal = Journal(lambda: 0.0)
    assert journal.on_transition("default", UP, with_candidate, None, 1.0) is None
    assert journal.on_transition("default", with_candidate, UP, None, 1.0) is None


def test_duration_is_measured_by_the_boot_clock():
    """An adopted tunnel counts from its real beginning."""
    now = [100.0]
    journal = Journal(lambda: now[0])
    assert journal.on_transition("default", Disconnected(), Connecting(SE), None, 0.0).duration is None
    now[0] = 101.5
    assert journal.on_transition("default", Connecting(SE), UP, None, 9e9).duration == 1.5
    now[0] = 160.0
    record = journal.on_transition("default", UP, DOWN, None, 0.0, InterfaceBytes(7, rx=10, tx=3))
    assert (record.duration, record.up, record.down) == (60.0, 3, 10)
    assert Journal(lambda: 400.0).on_transition("default", UP, DOWN, None, 0.0).duration == 300.0


def test_record_of_disconnected_still_names_the_server():
    """A cause given by the caller overrides the one that follows from the states."""
    journal = Journal(lambda: 0.0)
    journal.on_transition("default", UP, Disconnecting(SE), None, 0.0)
    assert journal.on_transition("default", Disconnecting(None), Disconnected(), None, 0.0).server == "se"
    record = journal.on_transition("default", Disconnected(), Connecting(SE), "resumed", 0.0)
    assert (record.cause, record.server) == ("resumed", "se")
