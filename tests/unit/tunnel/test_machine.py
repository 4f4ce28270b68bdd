"""An exit's machine against a fake WireGuard backend: the answers to callers, and the retries."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import ip_address, ip_interface, ip_network
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app import keys
from app.ephemeral_peer import exchange as exchange_module
from app.ephemeral_peer.errors import ExchangeError
from app.errors import ConflictError, ConnectTimeoutError, KernelError
from app.model import (
    Endpoint,
    KeyExchange,
    LinkProblem,
    Links,
    MtuSettings,
    Peer,
    Secret,
    Settings,
    TunnelConfig,
    WanLink,
)
from app.network.plan import TransportPeer, TunnelPlan
from app.network.wireguard.types import DeviceStats, PeerStats
from app.tunnel import backoff
from app.tunnel.context import Advice
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.machine import MAX_ERRORS, ExitMachine
from app.tunnel.resolve import LookupFailedError
from app.tunnel.states import Blocked, Connected, Connecting, Reason, Target, Tunnel

SERVER = Target("mullvad", "se-sto-wg-001")
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))
CONFIG = TunnelConfig(
    Secret("p" * 42 + "o="),
    (ip_interface("10.0.0.2/32"),),
    (Peer("server", Endpoint("198.51.100.7", 51820), (ip_network("0.0.0.0/0"),)),),
)
OTHER, BY_NAME = Target("mullvad", "se-got-wg-001"), Target("custom", "vps")
NAMED = replace(CONFIG, peers=(replace(CONFIG.peers[0], endpoint=Endpoint("vps.example", 51820)),))
ADDRESSES = [ip_address("198.51.100.8"), ip_address("198.51.100.9"), ip_address("2001:db8::9")]


class FakeContext:
    """An ExitContext and a WireGuard backend; ``answers``: whether the server completes handshakes."""

    def __init__(self):
        self.backend = self
        self.links = Links(wan=WAN, lan=())
        self.settings = Settings(exit_check_url=None)
        self.clock_behind = 0.0
        self.overlap = None
        self.used_elsewhere: str | None = None
        self.used_elsewhere: str | None = None
        self.answers = False
        self.attempts = 0
        self.advice = Advice()
        self.states = []
        self.dialled = []
        self.silent = []
        self.broken = {}  # the exception that a step raises, by the name of the method
        self.published = asyncio.Event()
        self.machine = ExitMachine("default", 0, self)

    async def tunnel_config(self, target):
        self.fail("tunnel_config", target)
        return (NAMED if target == BY_NAME else CONFIG), None

    def fail(self, method, target):
        """Raise what is broken there, for every server but ``SERVER``."""
        if method in self.broken and target != SERVER:
            raise self.broken[method]

    async def lookup(self, host):
        return ADDRESSES

    def clash(self, exit_name, plan):
        return self.overlap

    def claim(self, exit_name, tunnel, peer_keys):
        return self.used_elsewhere

    def resolvers(self, exit_name):
        return ()

    def exit_confirmation(self, provider):
        return lambda _: None

    async def enter(self, exit_name, state, cause=None):
        candidate = getattr(state, "candidate", None)
        self.fail("enter", candidate.target if candidate else SERVER)
        self.machine.state = state
        self.states.append(state)

    def changed(self, exit_name):
        self.published.set()

    def unanswered(self, tunnel, initiations):
        self.silent.append((tunnel.target, initiations))

    async def fallback(self, exit_name, failed):
        return self.advice

    async def flip(self, exit_name, state, draining):
        self.fail("flip", state.tunnel.target)

    async def set_endpoint(self, *_):
        pass

    async def configure(self, name, device):
        self.attempts += 1
        self.dialled.append(device.peers[0].endpoint[0])

    async def stats(self, name):
        if isinstance(self.machine.state, Connected) and "stats" in self.broken:
            raise self.broken["stats"]
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


async def test_advice_to_rest_ends_the_attempts(context):
    """Only a request, or another WAN, makes one more."""
    context.advice = Advice(reason=Reason.KEY_UNPROVEN, message="the key has not been proven", rest=True)
    with pytest.raises(ConflictError) as caught:
        await context.machine.connect(SERVER)
    assert caught.value.code == "key_unproven"
    assert (context.machine.state.reason, context.machine.state.retry_at_boot) == (Reason.KEY_UNPROVEN, None)
    before = context.attempts
    with pytest.raises(ConflictError):
        await context.machine.connect(SERVER)
    assert context.attempts == before + 1
    context.answers = True
    context.machine.notify(Reason.WAN_DOWN)
    await until(lambda: isinstance(context.machine.state, Connected))


async def test_handshakes_that_left_are_counted(context):
    async def stats(name):
        return DeviceStats(1, 1, (PeerStats("server", None, None, 0, 2 * 148),))

    context.stats = stats
    context.advice = Advice(reason=Reason.KEY_UNPROVEN, rest=True)
    with pytest.raises(ConflictError):
        await context.machine.connect(SERVER)
    assert context.silent == [(SERVER, 2)] * 2
    interrupted = asyncio.create_task(context.machine.connect(OTHER))
    await until(lambda: isinstance(context.machine.state, Connecting))
    await context.machine.disconnect()
    with pytest.raises(ConflictError):
        await interrupted
    assert (OTHER, 2) in context.silent


# --- A tunnel that works stays ---------------------------------------------------------------------------------------


@pytest.fixture
def pauses(monkeypatch):
    """The numbers of the failures in a row for which the machine paused; the pauses themselves are short."""
    numbers = []

    def delay(number):
        numbers.append(number)
        return 0.01

    monkeypatch.setattr(backoff, "delay", delay)
    return numbers


@pytest.mark.parametrize(
    ("method", "error", "code"),
    [
        ("tunnel_config", IndexError("a bug"), "internal"),
        ("enter", IndexError("a bug"), "internal"),
        ("enter", KernelError("refused"), "firewall_failed"),
        ("flip", IndexError("a bug"), "internal"),
        ("flip", KernelError("refused"), "firewall_failed"),
    ],
)
async def test_error_of_our_own_in_a_switch_keeps_the_tunnel(context, pauses, method, error, code):
    context.answers = True
    await context.machine.connect(SERVER)
    tunnel = context.machine.state.tunnel
    context.broken[method] = error
    with pytest.raises(KernelError) as caught:
        await context.machine.connect(OTHER)
    assert caught.value.code == code
    assert (context.machine.state.tunnel, context.machine.state.candidate) == (tunnel, None)
    assert context.machine.goal == SERVER
    assert not any(isinstance(s, Blocked) for s in context.states)
    context.broken.clear()
    await context.machine.connect(OTHER)
    assert context.machine.state.tunnel.target == OTHER


async def test_error_of_our_own_leaves_a_later_request_alone(context, pauses):
    """The request that came during the failing switch is carried out, and not answered with the other's failure."""
    context.answers = True
    await context.machine.connect(SERVER)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def broken(target):
        if target != OTHER:
            return CONFIG, None
        reached.set()
        await go_on.wait()
        raise RuntimeError

    context.tunnel_config = broken
    first = asyncio.create_task(context.machine.connect(OTHER))
    await reached.wait()
    third = Target("mullvad", "se-mma-wg-001")
    second = asyncio.create_task(context.machine.connect(third))
    with pytest.raises(ConflictError):
        await first
    go_on.set()
    async with asyncio.timeout(5):
        await second
    assert context.machine.state.tunnel.target == third


async def test_repeated_error_without_a_tunnel_backs_off(context, pauses):
    context.broken["tunnel_config"] = RuntimeError("a bug")
    with pytest.raises(KernelError):
        await context.machine.connect(OTHER)
    await until(lambda: len(pauses) >= 4)
    assert pauses[:4] == [1, 2, 3, 4]
    assert isinstance(context.machine.state, Blocked)


async def test_error_while_watching_ends_the_tunnel_only_if_it_stays(context, pauses):
    context.answers = True
    await context.machine.connect(SERVER)
    context.broken["stats"] = RuntimeError("a bug")
    context.machine.notify(Reason.WAN_DOWN)
    await until(lambda: len(pauses) == MAX_ERRORS)
    assert not any(isinstance(s, Blocked) for s in context.states)
    await until(lambda: any(isinstance(s, Blocked) for s in context.states))
    assert len(pauses) > MAX_ERRORS


async def test_switch_to_unresolvable_name_keeps_the_tunnel(context):
    context.answers = True
    await context.machine.connect(SERVER)

    async def lookup(host):
        raise LookupFailedError(f"the name server 192.168.1.1 gives 0.0.0.0 for {host}: it is blocked there")

    context.lookup = lookup
    with pytest.raises(ConnectTimeoutError) as caught:
        await context.machine.connect(BY_NAME)
    assert caught.value.code == "endpoint_unresolvable"
    assert "192.168.1.1 gives 0.0.0.0 for vps.example" in caught.value.message
    assert (context.machine.state.tunnel.target, context.machine.goal) == (SERVER, SERVER)


async def test_all_addresses_of_a_server_are_dialled_in_turn(context, pauses):
    """IPv4 first; what the WAN cannot reach is not dialled."""
    with pytest.raises(ConnectTimeoutError):
        await context.machine.connect(BY_NAME)
    await until(lambda: len(context.dialled) >= 4)
    assert context.dialled[:4] == [ADDRESSES[0], ADDRESSES[1], ADDRESSES[0], ADDRESSES[1]]


async def test_switch_goes_through_the_addresses_over_requests(context):
    context.answers = True
    await context.machine.connect(SERVER)
    context.links = Links(wan=replace(WAN, gateway6=ip_address("fe80::1")), lan=())
    context.dialled.clear()

    async def stats(name):
        good = name == "wg0a" or context.dialled[-1] == ADDRESSES[2]
        return DeviceStats(1, 1, (PeerStats("server", None, 1.0 if good else None, 1, 1),))

    context.stats = stats
    with pytest.raises(ConnectTimeoutError):
        await context.machine.connect(BY_NAME)
    await context.machine.connect(BY_NAME)
    assert context.dialled == ADDRESSES


# --- The MTU ---------------------------------------------------------------------------------------------------------


async def test_mtu_of_a_connected_tunnel_follows_settings_and_wan(context):
    """The tunnel stays: its connection is the same, and no device notices."""
    context.answers = True
    await context.machine.connect(SERVER)
    before = context.machine.state
    assert (before.tunnel.plan.mtu, before.tunnel.mtu_origin) == (1420, "route")
    context.settings = replace(context.settings, mtu=MtuSettings(exits={"default": 1380}))
    context.machine.notify(Reason.WAN_DOWN)
    await until(lambda: context.machine.state.tunnel.plan.mtu == 1380)
    after = context.machine.state
    assert (after.tunnel.mtu_origin, after.since_boot) == ("exit", before.since_boot)
    context.settings = replace(context.settings, mtu=MtuSettings())
    context.links = Links(wan=replace(WAN, mtu=1492), lan=())
    context.machine.notify(Reason.WAN_DOWN)
    await until(lambda: context.machine.state.tunnel.plan.mtu == 1412)


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


# --- The key exchange ------------------------------------------------------------------------------------------------

PREFERRED = KeyExchange(ip_address("10.64.0.1"), 1337)


@pytest.fixture
def exchange(context, monkeypatch):
    """Its ``failure`` ends each exchange; its ``hangs`` lets none end. The server wants one, and answers handshakes."""
    made = SimpleNamespace(failure=None, hangs=False, wanted=PREFERRED, started=asyncio.Event())

    async def exchange_keys(*_):
        made.started.set()
        if made.hangs:
            await asyncio.Event().wait()
        if made.failure:
            raise ExchangeError(made.failure)
        return keys.generate().private_key, keys.generate().private_key

    async def tunnel_config(target):
        wanted = made.wanted if target == SERVER else None
        return replace(CONFIG, private_key=keys.generate().private_key, key_exchange=wanted), None

    monkeypatch.setattr(exchange_module, "exchange", exchange_keys)
    context.tunnel_config = tunnel_config
    context.answers = True
    return made


async def test_tunnel_is_entered_after_its_key_exchange(context, exchange):
    """No state with the tunnel in use comes before."""
    await context.machine.connect(SERVER)
    assert [s.tunnel.post_quantum for s in context.states] == [False, True]
    assert isinstance(context.states[-1], Connected)


async def test_failed_preferred_key_exchange_is_told_by_the_state(context, exchange):
    exchange.failure = "the relay is busy"
    await context.machine.connect(SERVER)
    tunnel = context.machine.state.tunnel
    assert (tunnel.post_quantum, tunnel.post_quantum_problem) == (False, "the relay is busy")


async def test_failed_key_exchange_that_is_required_blocks(context, exchange):
    exchange.failure, exchange.wanted = "the relay is busy", replace(PREFERRED, required=True)
    with pytest.raises(ConnectTimeoutError, match="the relay is busy") as caught:
        await context.machine.connect(SERVER)
    assert caught.value.code == "post_quantum_failed"
    assert not any(isinstance(state, Connected) for state in context.states)
    assert context.machine.state.reason is Reason.POST_QUANTUM_FAILED
    assert context.machine.state.retry_at_boot is not None


async def test_failed_key_exchange_of_a_switch_keeps_the_old_tunnel(context, exchange):
    await context.machine.connect(OTHER)
    old = context.machine.state
    exchange.failure, exchange.wanted = "the relay is busy", replace(PREFERRED, required=True)
    with pytest.raises(ConnectTimeoutError, match="the relay is busy"):
        await context.machine.connect(SERVER)
    assert context.machine.state == old
    assert context.machine.goal == OTHER


async def test_new_request_ends_a_key_exchange(context, exchange):
    exchange.hangs = True
    waiting = asyncio.create_task(context.machine.connect(SERVER))
    async with asyncio.timeout(5):
        await exchange.started.wait()
        await context.machine.connect(OTHER)
    with pytest.raises(ConflictError, match="later request"):
        await waiting
    assert context.machine.state.tunnel.target == OTHER
