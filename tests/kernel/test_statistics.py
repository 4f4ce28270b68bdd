"""netd's statistics as a whole, on real packets: over flushed tables, recreated tunnels and restarts of netd."""

from __future__ import annotations

import asyncio
import contextlib
import os
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app.netd.statistics import Statistics
from app.network.plan import TransportPeer, TunnelPlan
from app.protocol.statistics import ALL, Bytes, HistoryQuery, Subject, TrafficQuery
from app.tunnel.clock import boottime
from app.tunnel.states import Blocked, Connected, Connecting, Disconnected, Reason, Target, Tunnel
from tests.support.echo_net import LAN, MAC, PACKETS, PAYLOAD, Net, run

pytestmark = pytest.mark.kernel

PHONE, EXIT = Subject("device", MAC["phone"]), Subject("exit", "default")
MINUTE = 7200
BYTES = PACKETS * (PAYLOAD + 28)

PEER = TransportPeer(ip_address("198.51.100.1"), 51820)
PLAN = TunnelPlan("a", (ip_interface("10.64.0.2/32"),), 1420, (PEER,), (ip_network("0.0.0.0/0"),), ())
TUNNEL = Tunnel(Target("custom", "vpn-se"), PLAN, "k" * 43 + "=", PEER)


@pytest.fixture
def net():
    net = Net(f"sta{os.getpid()}-")
    try:
        net.up()
        with net.echo():
            yield net
    finally:
        net.down()


def statistics(directory, **options):
    return Statistics(
        directory, flowtable=False, exits=lambda: ["default"], lan=lambda: (["br0"], LAN), period=0.05, **options
    )


@contextlib.asynccontextmanager
async def running(directory, **options):
    """Statistics that have made their first reading and a later one."""
    rates = asyncio.Queue()
    one = statistics(directory, on_rates=rates.put_nowait, **options)
    task = asyncio.create_task(one.run())
    try:
        while (await asyncio.wait_for(rates.get(), 10)).period == 0:
            pass
        one.rates_seen = rates
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one.close()


async def reached(one, subject, expected):
    """Wait until the sum of ``subject`` is at least ``expected``; return it."""
    deadline = boottime() + 10
    while True:
        found = (await one.traffic(TrafficQuery(subject, MINUTE, "minute"))).sum
        if found.up >= expected or boottime() > deadline:
            return found
        await asyncio.sleep(0.02)


def test_traffic_over_flushes_and_restarts(net, tmp_path):
    async def scenario():
        async with running(tmp_path) as one:
            await asyncio.to_thread(net.talk, "phone")
            assert await reached(one, PHONE, BYTES) == Bytes(BYTES, BYTES)
            run("ip", "netns", "exec", f"{net.prefix}gw", "nft", "flush", "ruleset")
            while not one._failing:
                await asyncio.sleep(0.01)
            while one._failing:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(net.talk, "phone")
            assert await reached(one, PHONE, 2 * BYTES) == Bytes(2 * BYTES, 2 * BYTES)
        await asyncio.to_thread(net.talk, "phone")  # while netd is down
        async with running(tmp_path) as one:
            assert await reached(one, PHONE, 3 * BYTES) == Bytes(3 * BYTES, 3 * BYTES)
            assert one.lifetime("device") == {MAC["phone"]: Bytes(3 * BYTES, 3 * BYTES)}
            assert (await one.traffic_by_name("device", TrafficQuery(ALL, MINUTE, "minute")))[
                MAC["phone"]
            ].up == 3 * BYTES

    net.gateway(scenario())


def test_history_has_all_bytes_and_the_duration_of_a_connection(net, tmp_path):
    """The history holds a connection's bytes and duration; none is lost when the tunnel goes."""

    async def scenario():
        async with running(tmp_path) as one:
            connected = Connected(TUNNEL, 0.0, boottime())
            one.on_transition("default", Disconnected(), Connecting(TUNNEL))
            one.on_transition("default", Connecting(TUNNEL), connected)
            await asyncio.to_thread(net.talk, "phone")
            moved = one.last_traffic(0, connected)  # and at once, before any further reading, the interface goes
            net.ip("gw", "link del wg0a")
            blocked = Blocked(Reason.TUNNEL_DEAD, "the server has stopped answering", TUNNEL.target)
            one.on_transition("default", connected, blocked, None, moved)
            page = await one.history(HistoryQuery())
            assert [(r.before, r.after, r.cause) for r in page.records] == [
                ("connected", "blocked", "tunnel_dead"),
                ("connecting", "connected", "handshake"),
                ("disconnected", "connecting", "requested"),
            ]
            last = page.records[0]
            assert (last.server, last.provider) == ("vpn-se", "custom")
            assert last.up >= BYTES
            assert last.down >= BYTES
            assert 0 < last.duration < 60
            booked = await reached(one, EXIT, BYTES)
            assert BYTES <= booked.up <= last.up  # the interface had counted before the first reading
            assert "tunnel_dead" in (await one.history_csv(HistoryQuery()))[0]
        async with running(tmp_path) as one:
            assert len((await one.history(HistoryQuery())).records) == 3
        net.tunnel()

    net.gateway(scenario())


def test_a_damaged_database_is_reported_and_counting_goes_on(net, tmp_path):
    (tmp_path / "statistics.sqlite").write_bytes(b"damaged" * 1000)
    problems = []

    async def scenario():
        async with running(tmp_path, on_problem=problems.append) as one:
            await asyncio.to_thread(net.talk, "phone")
            assert await reached(one, PHONE, BYTES) == Bytes(BYTES, BYTES)

    net.gateway(scenario())
    assert "damaged" in problems[0]


def test_without_any_lan_interface_it_waits(net, tmp_path):
    names = []

    async def scenario():
        one = Statistics(
            tmp_path, flowtable=False, exits=lambda: ["default"], lan=lambda: (tuple(names), LAN), period=0.02
        )
        task = asyncio.create_task(one.run())
        while one.rates.period == 0:
            await asyncio.sleep(0.01)
        names.append("br0")
        while one._installed != (("br0",), LAN):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(net.talk, "phone")
        assert await reached(one, PHONE, BYTES) == Bytes(BYTES, BYTES)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one.close()

    net.gateway(asyncio.wait_for(scenario(), 30))
