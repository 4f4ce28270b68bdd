"""The LAN's services: what dnsmasq is given, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.model import LanLink, Links, Settings
from app.netd.known_hosts import KnownHosts
from app.netd.lan_services import LanServices
from app.network.dnsmasq import HandOver
from app.network.leasefile import Step

DAYS = 3 * 86_400.0
NOW = 1_800_000_000.0
LEASE = "02:00:00:00:00:12 192.168.77.164 phone 01:02:00:00:00:00:12"


class Runner:
    """What dnsmasq was started with: a configuration that is new, and the leases handed over to it."""

    def __init__(self) -> None:
        self.started: list[str | None] = []
        self._config = ""

    def present(self, name: str) -> str:
        return self._config

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None:
        if configs["lan"] != self._config:
            self._config = configs["lan"]
            self.started.append(hand_over and hand_over.text)


async def test_clock_step_while_services_are_brought_up_keeps_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a start, where the time is set while devices get their first leases."""
    runner, file = Runner(), tmp_path / "dnsmasq.leases"
    file.write_text(f"{NOW + 300:.0f} {LEASE}\n")
    services = LanServices(runner, file, tmp_path / "hosts")
    updating, go_on = asyncio.Event(), asyncio.Event()
    update = KnownHosts.update

    async def held_up(*arguments: object) -> None:
        updating.set()
        await go_on.wait()
        await update(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(KnownHosts, "update", held_up)
    links = Links(wan=None, lan=(LanLink("lan0"),))

    async def apply() -> None:
        await services.apply(Settings(), links, ipv6_default=False, direct=False)

    async with asyncio.timeout(5):
        first = asyncio.create_task(apply())
        await updating.wait()
        services.move_leases(file.read_text(), Step(DAYS, NOW + DAYS, 43_200))
        go_on.set()
        await first
        await apply()
    assert runner.started == [None, f"{NOW + DAYS + 300:.0f} {LEASE}\n"]
