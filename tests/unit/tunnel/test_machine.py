"""An exit's machine against a fake WireGuard: what those who wait hear, and when it tries again."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app.errors import ConflictError, ConnectTimeoutError
from app.model import Endpoint, Links, Peer, Secret, Settings, TunnelConfig, WanLink
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


class Ports:
    """An ExitContext and a WireGuard in one; ``answers``: whether the server knows our key."""

    def __init__(self):
        self.backend = self
        self.links = Links(wan=WAN, lan=())
        self.settings = Settings(exit_check_url=None)
        self.clock_behind = 0.0
        self.answers = False
        self.attempts = 0
        self.advice = Advice()
        self.states = []
        self.told = asyncio.Event()
        self.machine = ExitMachine("default", 0, self)

    async def tunnel_config(self, target):
        return CONFIG, None

    def exit_confirmation(self, provider):
        return lambda _: None

    async def enter(self, exit_name, state, cause=None):
        self.machine.state = state
        self.states.append(state)

    def changed(self, exit_name):
        self.told.set()

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
async def ports(monkeypatch):
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 0.02)
    made = Ports()
    task = asyncio.create_task(made.machine.run())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_who_asked_to_connect_hears_that_the_account_is_at_fault_not_the_server(ports):
    ports.advice = Advice(reason=Reason.ACCOUNT_EXPIRED, message="the account has expired")
    with pytest.raises(ConflictError) as caught:
        await ports.machine.connect(SERVER)
    assert (caught.value.code, caught.value.message) == ("account_expired", "the account has expired")
    assert isinstance(ports.machine.state, Blocked)
    assert ports.machine.state.reason is Reason.ACCOUNT_EXPIRED


async def test_a_server_that_is_dead_is_named_so(ports):
    with pytest.raises(ConnectTimeoutError) as caught:
        await ports.machine.connect(SERVER)
    assert caught.value.code == "handshake_timeout"


async def test_where_another_server_takes_over_the_one_asked_for_is_still_told_to_have_failed(ports):
    other = Target("mullvad", "se-got-wg-001")
    ports.advice = Advice(target=other)
    with pytest.raises(ConnectTimeoutError):
        await ports.machine.connect(SERVER)
    assert ports.machine.goal == other


@pytest.mark.parametrize("how", ["resume", "connect"])
async def test_what_mended_the_account_ends_the_wait(ports, how):
    """After a sign-in nobody waits for the rest of the minute that the back-off would take."""
    ports.advice = Advice(reason=Reason.KEY_REVOKED, message="sign in again")
    with pytest.raises(ConflictError):
        await ports.machine.connect(SERVER)
    before = ports.attempts
    ports.answers = True
    if how == "resume":
        ports.machine.resume(SERVER)
        await until(lambda: isinstance(ports.machine.state, Connected))
    else:
        async with asyncio.timeout(5):
            await ports.machine.connect(SERVER)
    assert ports.attempts == before + 1


async def test_asking_again_once_is_one_attempt_not_a_storm(ports):
    ports.advice = Advice(reason=Reason.KEY_REVOKED, message="sign in again")
    with pytest.raises(ConflictError):
        await ports.machine.connect(SERVER)
    before = ports.attempts
    with pytest.raises(ConflictError):
        await ports.machine.connect(SERVER)
    await asyncio.sleep(0.2)  # nothing is to happen: there is no event to wait for
    assert ports.attempts == before + 1


# --- the address that the outside sees -------------------------------------------------------------------------------

PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), ())
TUNNEL = Tunnel(SERVER, PLAN, "server", TransportPeer(ip_address("198.51.100.7"), 51820))


@pytest.fixture
def asked(monkeypatch):
    """How often the outside was asked; it sees another address each time."""
    times = []

    async def look(*_, **__):
        times.append(1)
        return ExitAddress(f"203.0.113.{len(times)}")

    monkeypatch.setattr("app.tunnel.exit_address.check_exit_address", look)
    return times


@contextlib.asynccontextmanager
async def running(ports):
    ports.answers = True
    ports.settings = Settings()
    task = asyncio.create_task(ports.machine.run())
    yield ports.machine
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_tunnel_taken_over_from_the_last_netd_is_seen_from_outside_too(asked):
    """Without a switch: until somebody asked for one, nobody knew the address after a restart of netd."""
    ports = Ports()
    ports.machine = ExitMachine("default", 0, ports, Connected(TUNNEL, 1.0, 1.0))
    async with running(ports) as machine, asyncio.timeout(5):
        await ports.told.wait()
        assert machine.exit_address == ExitAddress("203.0.113.1")
        assert len(asked) == 1


async def test_each_life_of_a_tunnel_is_asked_about_once_and_shows_its_own_answer(asked):
    ports = Ports()
    async with running(ports) as machine, asyncio.timeout(5):
        for number in (1, 2):  # the same server, the same slot: another tunnel all the same
            await machine.connect(SERVER)
            await ports.told.wait()
            assert machine.exit_address == ExitAddress(f"203.0.113.{number}")
            machine.notify(Reason.WAN_DOWN)  # something happens, and the tunnel stays
            await until(lambda: machine._nudged is None)
            ports.told.clear()
            await machine.disconnect()
            assert machine.exit_address is None
        assert len(asked) == 2


async def test_what_was_seen_of_one_tunnel_is_not_shown_for_the_next(asked):
    """A switch passes through no state in which nothing is up."""
    ports = Ports()
    async with running(ports) as machine, asyncio.timeout(5):
        await machine.connect(SERVER)
        await ports.told.wait()
        shown = []
        entered = ports.enter

        async def enter(exit_name, state, cause=None):
            await entered(exit_name, state, cause)
            shown.append((state.tunnel.target, machine.exit_address))

        ports.enter = enter
        other = Target("mullvad", "se-got-wg-001")
        ports.told.clear()
        await machine.connect(other)
        await ports.told.wait()
        assert shown == [(SERVER, ExitAddress("203.0.113.1")), (other, None)]
        assert machine.exit_address == ExitAddress("203.0.113.2")
