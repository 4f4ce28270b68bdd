"""Leases of the real dnsmasq while the clock that it reads is set (libfaketime); the machine's own is left alone."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from app.model import LanLink, LanSettings, Lease, Links, Settings
from app.netd.clockstep import ClockSteps, keep_leases
from app.netd.lan_services import LanServices
from app.network.dhcp_dns import first_lease_time
from app.network.dnsmasq import ProcessRunner
from app.network.leasefile import Step
from tests.kernel.namespace import inside, run
from tests.support.clocked import clocked_dnsmasq

pytestmark = pytest.mark.kernel

LAN, LINKS = LanSettings(), Links(wan=None, lan=(LanLink("lan0", 1500),))
PHONE, TV = "02:00:00:00:00:12", "02:00:00:00:00:13"
DAYS = 3 * 86_400
CLIENT = '#!/bin/sh\n[ "$1" != bound ] || echo "$ip" >"$LEASED"\n'


class LeaseLan:
    """A LAN whose dnsmasq reads a clock that the test sets, and netd's handling of the leases."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory, self._ahead = directory, directory / "clock"
        self._client = directory / "client"
        self._client.write_text(CLIENT)
        self._client.chmod(0o755)
        self._environment = {**os.environ, "LEASED": str(directory / "leased")}
        self.set_clock(0)
        monkeypatch.setenv("PATH", clocked_dnsmasq(directory / "programs", self._ahead))
        self.runner = ProcessRunner(directory / "dnsmasq")
        self.services = self.another_netd()
        self.clock = ClockSteps(wall=self.now)

    def now(self) -> float:
        return time.time() + float(self._ahead.read_text())

    def set_clock(self, ahead: int) -> None:
        new = self._ahead.with_suffix(".new")
        new.write_text(f"{ahead:+d}")
        new.replace(self._ahead)

    def another_netd(self) -> LanServices:
        return LanServices(self.runner, self._directory / "dnsmasq.leases", self._directory / "dnsmasq" / "hosts")

    def pid(self) -> str:
        return (self._directory / "dnsmasq" / "lan.pid").read_text()

    async def apply(self) -> None:
        await self.services.apply(Settings(lan=LAN), LINKS, ipv6_default=False, direct=False)

    async def move(self, before: str, step: float) -> None:
        self.services.move_leases(before, Step(step, self.now(), LAN.lease_time))
        await self.apply()

    async def lease(self, mac: str, *wanted: str) -> str:
        """The address that a device is given."""
        for words in (f"link set dev0 address {mac}", "link set dev0 up"):
            run(f"ip {words}")
        request = [word for address in wanted for word in ("-r", address)]
        process = await asyncio.create_subprocess_exec(
            *("udhcpc", "-i", "dev0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", str(self._client), *request),
            env=self._environment,
        )
        assert await process.wait() == 0
        return (self._directory / "leased").read_text().strip()

    def known(self) -> dict[str, Lease]:
        return {lease.mac: lease for lease in self.services.leases()}


async def until(condition, timeout=15.0):
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("step", [DAYS, -DAYS], ids=["forward", "back"])
@inside
async def test_leases_survive_a_clock_that_is_set(tmp_path, monkeypatch, step):
    for words in (
        "link set lo up",
        "link add lan0 type veth peer name dev0",
        "addr add 192.168.77.1/24 dev lan0",
        "link set lan0 up",
    ):
        run(f"ip {words}")
    lease_lan = LeaseLan(tmp_path, monkeypatch)
    await lease_lan.apply()
    address = await lease_lan.lease(PHONE)
    assert lease_lan.known()[PHONE].address == address
    moves: list[asyncio.Task[None]] = []
    looks: list[str] = []

    def look() -> str:
        looks.append(lease_lan.services.lease_file())
        return looks[-1]

    def move(before: str, seconds: float) -> None:
        moves.append(asyncio.create_task(lease_lan.move(before, seconds)))

    keeper = asyncio.create_task(keep_leases(lease_lan.clock, lease_lan.services.lease_path, look, move, period=0.2))
    try:
        await until(lambda: looks)
        lease_lan.set_clock(step)
        await until(lambda: moves and all(task.done() for task in moves))
        assert moves[0].exception() is None
        # A newcomer who asks for that very address, as one does who had it long ago.
        assert await lease_lan.lease(TV, address) != address
        left = lease_lan.known()[PHONE].expires - lease_lan.now()
        assert lease_lan.known()[PHONE].address == address
        assert first_lease_time(LAN) - 60 <= left <= first_lease_time(LAN)
        assert await lease_lan.lease(PHONE) == address
        pid = lease_lan.pid()
        lease_lan.services = lease_lan.another_netd()
        await lease_lan.apply()
        assert lease_lan.pid() == pid, "a restarted netd leaves dnsmasq running"
    finally:
        keeper.cancel()
        await lease_lan.runner.apply({})
    assert len(moves) == 1
