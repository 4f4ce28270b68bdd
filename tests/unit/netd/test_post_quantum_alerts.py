"""The alerts about tunnels that should be post-quantum and are not."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.netd.post_quantum_alerts import PostQuantumAlerts
from app.netd.transition import ExitTransition
from app.network.plan import TransportPeer, TunnelPlan
from app.protocol.events import GatewayEvent, SecurityAlert
from app.tunnel.states import Blocked, Connected, Connecting, Disconnected, Reason, State, Target, Tunnel

SERVER = Target("mullvad", "se-sto-wg-001")
PLAN = TunnelPlan("a", (), 1420, (), (), ())


def tunnel(*, post_quantum: bool = False, problem: str | None = None) -> Tunnel:
    endpoint = TransportPeer(ip_address("198.51.100.7"), 51820)
    return Tunnel(SERVER, PLAN, "key", endpoint, post_quantum=post_quantum, post_quantum_problem=problem)


CONNECTING = Connecting(tunnel())
WITHOUT = Connected(tunnel(problem="the relay is busy"), 1.0, 1.0)
WITH = Connected(tunnel(post_quantum=True), 1.0, 1.0)
BLOCKED = Blocked(Reason.POST_QUANTUM_FAILED, "no post-quantum key", SERVER)
TOLD = SecurityAlert(
    "post_quantum_failed", "se-sto-wg-001: no post-quantum key for the tunnel: the relay is busy", exit="default"
)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([CONNECTING, WITHOUT], [TOLD]),
        ([CONNECTING, WITH], []),
        ([CONNECTING, Connected(tunnel(), 1.0, 1.0)], []),  # none was wanted
        ([WITHOUT, CONNECTING, WITHOUT], [TOLD]),  # the same again, at every reconnection
        ([WITHOUT, WITH, WITHOUT], [TOLD, TOLD]),
        ([WITHOUT, Disconnected(), WITHOUT], [TOLD, TOLD]),
        ([Blocked(Reason.HANDSHAKE_TIMEOUT, "no answer", SERVER)], []),
    ],
)
def test_alert_is_published_once_until_the_exchange_works(states: list[State], expected: list[GatewayEvent]) -> None:
    published: list[GatewayEvent] = []
    alerts = PostQuantumAlerts(published.append)
    for state in states:
        alerts.on_transition(ExitTransition("default", Disconnected(), state))
    assert published == expected


def test_alert_about_a_blocked_exit_names_server_and_cause() -> None:
    published: list[GatewayEvent] = []
    alerts = PostQuantumAlerts(published.append)
    for state in (BLOCKED, CONNECTING, BLOCKED):
        alerts.on_transition(ExitTransition("second", Disconnected(), state))
    assert published == [SecurityAlert("post_quantum_failed", "se-sto-wg-001: no post-quantum key", exit="second")]
