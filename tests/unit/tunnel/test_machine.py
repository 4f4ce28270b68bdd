"""An exit's machine against a fake WireGuard backend: the answers to callers, and the retries."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app.errors import ConflictError, ConnectTimeoutError
from app.model import Endpoint, LinkProblem, Links, Peer, Secret, Settings, TunnelConfig, WanLink
from app.network.plan import TransportPeer, TunnelPlan
from app.network.wireguard.types import DeviceStats, PeerStats
from app.tunnel import backoff
from app.tunnel.context import Advice
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.machine import ExitMachine
from app.tunnel.states import Blocked, Connected, Reason, Target, Tunnel

SERVER = Target("mullvad", "se-sto-wg-001")
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))
CONFIG = TunnelConfig(
    Secret("p" * 43 + "="),
    (ip_interface("10.0.0.2/32"),),
    (Peer("server", Endpoint("198.51.100.7", 51820), (ip_network("0.0.0.0/0"),)),),
)


class FakeContext:
    """An ExitContext and a WireGuard backend; ``answers``: whether the server completes handshakes."""

    def __init__(self):
        self.backend = self
        self.links = Links(wan=WAN, lan=())
        self.settings = Settings(exit_check_url=None)
        self.clock_behind = 0.0
        self.overlap = None
        self.answers = False
        self.attempts = 0
        self.advice = Advice()
        self.states = []
        self.published = asyncio.Event()
        self.machine = ExitMachine("default", 0, self)

    async def tunnel_config(self, target):
        return CONFIG, None

    def clash(self, exit_name, plan):
        return self.overlap

    def resolvers(self, exit_name):
        return ()

    def exit_confirmation(self, provider):
        return lambda _: None

    async def enter(self, exit_name, state, cause=None):
        self.machine.state = state
        self.states.append(state)

    def changed(self, exit_name):
        self.published.set()

    async def fallback(self, exit_name, failed):
        return self.advice

    async def flip(self, exit_name, state, draining):
        pass

    async def set_endpoint(self, *_):
        pass

    async def configure(self, name, device):
        self.attempts += 1

    async def stats(self, name):
        return DeviceStats(1, 1, (PeerStats("server", None, 1.0 if self.answers else None, 1, 1),))


@pytest.fixture
async def context(monkeypatch):
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 0.02)
    made = FakeContext()
    task = asyncio.create_task(made.machine.run())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_connect_with_expired_account_reports_the_account(context):
    """The caller learns that the account is at fault, and not the server."""
    context.advice = Advice(reason=Reason.ACCOUNT_EXPIRED, message="the account has expired")
    with pytest.raises(ConflictError) as caught:
        await context.machine.connect(SERVER)
    assert (caught.value.code, caught.value.message) == ("account_expired", "the account has expired")
    assert isinstance(context.machine.state, Blocked)
    assert context.machine.state.reason is Reason.ACCOUNT_EXPIRED


async def test_connect_to_dead_server_reports_handshake_timeout(context):
    with pytest.raises(ConnectTimeoutError) as caught:
        await context.machine.connect(SERVER)
    assert caught.value.code == "handshake_timeout"


async def test_overlap_is_named_before_anything_is_sent(context):
    """Blocked with the cause, not after a time-out that blames the server; and the next attempt is by itself."""
    context.overlap = "your router's address 10.2.0.2 is the tunnel's address"
    context.advice = Advice(target=Target("mullvad", "se-got-wg-001"))  # would not help: the account's address is one
    with pytest.raises(ConflictError) as caught:
        await context.machine.connect(SERVER)
    assert (caught.value.code, context.overlap in caught.value.message) == ("networks_overlap", True)
    state = context.machine.state
    assert isinstance(state, Blocked)
    assert (state.reason, state.message, state.target) == (Reason.NETWORKS_OVERLAP, context.overlap, SERVER)
    assert state.retry_at_boot is not None
    assert (context.attempts, context.machine.goal) == (0, SERVER)


async def test_wan_in_the_lan_blocks_with_its_message(context):
    context.links = Links(WAN, (), problem=LinkProblem("networks_overlap", "the WAN's own address is in the LAN"))
    with pytest.raises(ConflictError, match="the WAN's own address"):
        await context.machine.connect(SERVER)
    assert context.machine.state.reason is Reason.NETWORKS_OVERLAP
    context.links, context.answers = Links(WAN, ()), True
    context.machine.notify(Reason.WAN_DOWN)  # another lease
    await until(lambda: isinstance(context.machine.state, Connected))


async def test_switch_to_an_overlapping_tunnel_keeps_the_old(context):
    context.answers = True
    await context.machine.connect(SERVER)
    context.overlap = "the VPN server's address is in the LAN"
    with pytest.raises(ConflictError):
        await context.machine.connect(Target("mullvad", "se-got-wg-001"))
    assert context.machine.state.tunnel.target == context.machine.goal == SERVER


async def test_connect_replaced_by_fallback_reports_the_failure(context):
    """The goal is another server now, but the caller asked for the one that failed."""
    other = Target("mullvad", "se-got-wg-001")
    context.advice = Advice(target=other)
    with pytest.raises(ConnectTimeoutError):
        await context.machine.connect(SERVER)
    assert context.machine.goal == other


@pytest.mark.parametrize("how", ["set_goal_nowait", "connect"])
async def test_new_request_while_blocked_ends_the_back_off(context, how):
    """After a new sign-in nothing waits for the rest of the back-off."""
    context.advice = Advice(reason=Reason.KEY_REVOKED, message="sign in again")
    with pytest.raises(ConflictError):
        await context.machine.connect(SERVER)
    before = context.attempts
    context.answers = True
    if how == "set_goal_nowait":
        context.machine.set_goal_nowait(SERVER)
        await until(lambda: isinstance(context.machine.state, Connected))
    else:
        async with asyncio.timeout(5):
            await context.machine.connect(SERVER)
    assert context.attempts == before + 1


async def test_repeated_request_while_blocked_makes_one_attempt(context):
    context.advice = Advice(reason=Reason.KEY_REVOKED, message="sign in again")
    with pytest.raises(ConflictError):
        await context.machine.connect(SERVER)
    before = context.attempts
    with pytest.raises(ConflictError):
        await context.machine.connect(SERVER)
    await asyncio.sleep(0.2)  # nothing must happen, so there is no event to await
    assert context.attempts == before + 1


# --- The exit address ------------------------------------------------------------------------------------------------

PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), ())
TUNNEL = Tunnel(SERVER, PLAN, "server", TransportPeer(ip_address("198.51.100.7"), 51820))


@pytest.fixture
def checks(monkeypatch):
    """One entry for each exit check; every check finds another address."""
    times = []

    async def look(*_, **__):
        times.append(1)
        return ExitAddress(f"203.0.113.{len(times)}")

    monkeypatch.setattr("app.tunnel.exit_address.check_exit_address", look)
    return times


@contextlib.asynccontextmanager
async def running(context):
    context.answers = True
    context.settings = Settings()
    task = asyncio.create_task(context.machine.run())
    yield context.machine
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_exit_address_of_adopted_tunnel_is_checked(checks):
    """The address was unknown after a restart of netd until the next switch."""
    context = FakeContext()
    context.machine = ExitMachine("default", 0, context, Connected(TUNNEL, 1.0, 1.0))
    async with running(context) as machine, asyncio.timeout(5):
        await context.published.wait()
        assert machine.exit_address == ExitAddress("203.0.113.1")
        assert len(checks) == 1


async def test_exit_address_is_checked_once_per_connection(checks):
    context = FakeContext()
    async with running(context) as machine, asyncio.timeout(5):
        for number in (1, 2):  # the same server and slot, but another connection
            await machine.connect(SERVER)
            await context.published.wait()
            assert machine.exit_address == ExitAddress(f"203.0.113.{number}")
            machine.notify(Reason.WAN_DOWN)  # an event that the tunnel survives
            await until(lambda: machine._event is None)
            context.published.clear()
            await machine.disconnect()
            assert machine.exit_address is None
        assert len(checks) == 2


async def test_exit_address_after_a_switch_is_unknown_at_first(checks):
    """A switch passes through no state without a tunnel."""
    context = FakeContext()
    async with running(context) as machine, asyncio.timeout(5):
        await machine.connect(SERVER)
        await context.published.wait()
        shown = []
        entered = context.enter

        async def enter(exit_name, state, cause=None):
            await entered(exit_name, state, cause)
            shown.append((state.tunnel.target, machine.exit_address))

        context.enter = enter
        other = Target("mullvad", "se-got-wg-001")
        context.published.clear()
        await machine.connect(other)
        await context.published.wait()
        assert shown == [(SERVER, ExitAddress("203.0.113.1")), (other, None)]
        assert machine.exit_address == ExitAddress("203.0.113.2")
