"""The time servers of the allowlist: their order, and that the list closes once the clock is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from app import async_files
from app.addresses import Address
from app.errors import KernelError
from app.netd import timesync
from app.netd.timesync import DEFAULT_SERVERS, Files, TimeSync, offered_servers
from app.protocol.events import GatewayEvent, SecurityAlert
from app.tunnel.resolve import LookupFailedError
from tests.support.file_calls import blocking_file_calls

UID = 104
ROUTER, NAMED = ip_address("192.168.1.1"), ip_address("203.0.113.123")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timesync, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(timesync, "MIN_RETRY_DELAY", 0.01)
    monkeypatch.setattr(timesync, "MAX_RETRY_DELAY", 0.02)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(
        synchronized=tmp_path / "synchronized",
        offered=tmp_path / "state",
        configured=tmp_path / "time-servers",
        chosen=tmp_path / "ntp" / "servers",
    )


def ignore(_event: GatewayEvent) -> None:
    raise AssertionError


@asynccontextmanager
async def running(*tasks: Awaitable[None]) -> AsyncGenerator[None]:
    started = [asyncio.ensure_future(task) for task in tasks]
    try:
        yield
    finally:
        for task in started:
            assert not task.done(), "netd ends with any task of its own"
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_default_servers_are_those_of_timesyncd_conf() -> None:
    conf = Path(__file__).parents[3] / "overlay/etc/systemd/timesyncd.conf.d/vpn-gateway.conf"
    (line,) = [x for x in conf.read_text().splitlines() if x.startswith("NTP=")]
    assert tuple(line.removeprefix("NTP=").split()) == tuple(map(str, DEFAULT_SERVERS))


def test_dhcp_servers_come_before_the_defaults(files: Files) -> None:
    files.offered.write_text("OPER_STATE=routable\nDNS=192.168.1.2\nNTP=192.168.1.1 216.239.35.0\n")
    assert TimeSync(UID, files).access == (UID, (ROUTER, DEFAULT_SERVERS[1], DEFAULT_SERVERS[0], *DEFAULT_SERVERS[2:]))


def test_configured_servers_replace_the_defaults(files: Files) -> None:
    files.offered.write_text("NTP=192.168.1.1\n")
    files.configured.write_text("2001:db8::123\n203.0.113.123\n")
    assert TimeSync(UID, files).access == (UID, (ROUTER, ip_address("2001:db8::123"), NAMED))


@pytest.mark.parametrize(
    "words", ["127.0.0.1", "::1", "fe80::1", "224.0.1.1", "0.0.0.0", "255.255.255.255", "time.example", "1.2.3.4;x"]
)
def test_unroutable_offers_are_ignored(words: str) -> None:
    assert offered_servers(f"NTP={words} 192.168.1.1\n") == (ROUTER,)


def test_dhcp_offers_are_limited(files: Files) -> None:
    files.offered.write_text("NTP=" + " ".join(f"10.0.{n}.1" for n in range(200)) + "\n")
    access = TimeSync(UID, files).access
    assert access is not None
    assert len(access[1]) == 4 + len(DEFAULT_SERVERS)


def test_clock_set_at_start_opens_nothing(files: Files) -> None:
    files.synchronized.touch()
    assert TimeSync(UID, files).access is None
    assert TimeSync(None, files).access is None


async def test_plan_closes_for_good_when_the_clock_is_set(files: Files) -> None:
    sync = TimeSync(UID, files)
    planned = [sync.access]

    async def replan() -> None:
        planned.append(sync.access)

    async with running(sync.watch(replan, ignore)):
        await until(files.chosen.exists)
        assert planned == [(UID, DEFAULT_SERVERS)]
        files.synchronized.touch()
        await until(lambda: len(planned) == 2)
        assert planned[-1] is None
        files.synchronized.unlink()  # the time daemon was restarted
        files.offered.write_text("NTP=192.168.1.1\n")
        await asyncio.sleep(0.1)  # nothing is to happen
        assert len(planned) == 2
        assert sync.access is None
    assert files.chosen.read_text().split() == [str(a) for a in DEFAULT_SERVERS]


async def test_refused_plan_is_retried_and_reported_once(files: Files) -> None:
    sync = TimeSync(UID, files)
    tries, published = [0], list[GatewayEvent]()

    async def replan() -> None:
        tries[0] += 1
        if tries[0] < 4:
            raise KernelError("no")

    async with running(sync.watch(replan, published.append)):
        files.synchronized.touch()
        await until(lambda: tries[0] == 4)
    assert published == [SecurityAlert("plan_failed", "no")]


async def test_time_files_are_accessed_off_the_event_loop(files: Files, tmp_path: Path) -> None:
    files.configured.write_text("192.168.1.1\n")
    sync = TimeSync(UID, files)

    async def replan() -> None:
        pass

    async def lookup(name: str) -> list[Address]:
        raise AssertionError(name)

    with blocking_file_calls(tmp_path) as found:
        async with running(sync.watch(replan, ignore), sync.resolve(lookup)):
            async with asyncio.timeout(5):
                while not await async_files.exists(files.chosen):
                    await asyncio.sleep(0.005)
    assert found == []


async def test_time_servers_follow_dhcp(files: Files) -> None:
    sync = TimeSync(UID, files)
    planned: list[object] = []

    async def replan() -> None:
        planned.append(sync.access)

    async with running(sync.watch(replan, ignore)):
        await until(files.chosen.exists)
        files.offered.write_text("NTP=192.168.1.1\n")
        await until(lambda: bool(planned))
        assert planned == [(UID, (ROUTER, *DEFAULT_SERVERS))]
        assert files.chosen.read_text().split()[0] == str(ROUTER)


async def test_name_is_looked_up_until_found_and_not_again(files: Files) -> None:
    files.configured.write_text("time.example\n192.168.1.1\n")
    sync = TimeSync(UID, files)
    asked: list[str] = []

    async def lookup(name: str) -> list[Address]:
        asked.append(name)
        match len(asked):
            case 1:
                raise LookupFailedError("the WAN gave no name server")
            case 2:
                return []  # a resolver that answers 0.0.0.0
            case _:
                return [NAMED]

    async def replan() -> None:
        pass

    async with running(sync.watch(replan, ignore), sync.resolve(lookup)):
        await until(lambda: sync.access == (UID, (NAMED, ROUTER)))
        await until(lambda: files.chosen.read_text().split() == [str(NAMED), str(ROUTER)])
        await asyncio.sleep(0.1)  # nothing is to happen
        assert asked == ["time.example"] * 3


async def test_name_is_not_looked_up_once_the_clock_is_set(files: Files) -> None:
    files.configured.write_text("time.example\n")
    files.synchronized.touch()

    async def lookup(name: str) -> list[Address]:
        raise AssertionError(name)

    async with running(TimeSync(UID, files).resolve(lookup)):
        await asyncio.sleep(0.1)  # nothing is to happen
