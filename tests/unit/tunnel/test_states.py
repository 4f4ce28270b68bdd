"""The states of an exit: every state has a policy, and only one policy forwards the devices' traffic."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.network.plan import TransportPeer, TunnelPlan
from app.tunnel.states import (
    MOVES,
    Blocked,
    Connected,
    Connecting,
    Disconnected,
    Disconnecting,
    Reason,
    State,
    Target,
    Tunnel,
    policy_for,
    shown_as,
    tunnels_of,
)


def tunnel(slot="a", name="se"):
    peer = TransportPeer(ip_address("198.51.100.10"), 51820)
    plan = TunnelPlan(
        slot=slot,
        addresses=(ip_interface("10.64.0.2/32"),),
        mtu=1420,
        transport=(peer,),
        routes=(ip_network("0.0.0.0/0"),),
        dns=(ip_address("10.64.0.1"),),
    )
    return Tunnel(Target("custom", name), plan, "k" * 43 + "=", peer)


targets = st.just(Target("custom", "se"))
tunnels = st.sampled_from([tunnel("a"), tunnel("b", "de")])
states = st.one_of(
    st.just(Disconnected()),
    st.builds(Connecting, tunnels, st.integers(1, 9)),
    st.builds(Connected, tunnels, st.just(1.0), st.just(1.0), st.none() | tunnels),
    st.builds(Disconnecting, st.none() | tunnels),
    st.builds(Blocked, st.sampled_from(Reason), st.text(), targets),
)


@given(states)
def test_policy_of_connected_alone_carries_traffic(state):
    plan = policy_for("default", 0, state)
    assert (plan.active is not None) == isinstance(state, Connected)


@given(states)
def test_policy_has_exactly_the_tunnels_of_the_state(state):
    plan = policy_for("default", 0, state)
    planned = [t for t in (plan.active, plan.candidate, plan.draining) if t is not None]
    assert planned == [t.plan for t in tunnels_of(state)]


@given(states)
def test_state_of_every_kind_has_its_api_name(state):
    assert shown_as(state).value == type(state).__name__.lower()


def test_moves_cover_every_state():
    kinds = set(get_args(State))
    assert set(MOVES) == kinds
    assert all(targets <= kinds for targets in MOVES.values())


def test_moves_to_connected_begin_in_connecting_or_adoption():
    """Connected follows Connecting, a switch or the adoption of a running tunnel; no state is a dead end."""
    for kind, onward in MOVES.items():
        assert onward, kind
    assert {kind for kind, onward in MOVES.items() if Connected in onward} == {Connecting, Connected, Disconnected}


@pytest.mark.parametrize("text", ["custom/vpn-se", "imported/a/b", "mullvad/se-sto-wg-001"])
def test_target_as_text_is_parsed_back(text):
    assert str(Target.parse(text)) == text
