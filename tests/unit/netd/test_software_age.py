"""Old software is reported once, and again after a month."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from app.netd import software_age
from app.netd.software_age import OLD, REMIND_INTERVAL, watch_age
from app.protocol.events import GatewayEvent, SecurityAlert

BUILT = 1_800_000_000.0


async def reports(built: Path, *times: float) -> list[int]:
    """How many reports there are in all after a check at each of ``times``."""
    events: list[GatewayEvent] = []
    counts: list[int] = []
    done = asyncio.Event()
    left = list(times)

    async def next_check(_seconds: float) -> None:
        counts.append(len(events))
        left.pop(0)
        if not left:
            done.set()
            await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(software_age.asyncio, "sleep", next_check)
        task = asyncio.create_task(watch_age(events.append, built, lambda: left[0]))
        await done.wait()
        task.cancel()
    assert {type(event) for event in events} <= {SecurityAlert}
    return counts


async def test_old_software_is_reported_once_a_month(tmp_path: Path) -> None:
    built = tmp_path / "version"
    built.touch()
    os.utime(built, (BUILT, BUILT))
    old = BUILT + OLD + 1
    times = (BUILT, BUILT + OLD - 1, old, old + 3600, old + REMIND_INTERVAL - 1, old + REMIND_INTERVAL)
    assert await reports(built, *times) == [0, 0, 1, 1, 1, 2]


async def test_software_without_a_known_age_is_not_reported(tmp_path: Path) -> None:
    assert await reports(tmp_path / "none", BUILT + 10 * OLD) == [0]


def test_clock_and_report_read_the_age_from_the_same_file() -> None:
    clock = Path(__file__).parents[3] / "overlay/usr/lib/vpn-gateway/clock"
    assert f"built=${{VPN_GATEWAY_BUILT:-{software_age.BUILT}}}" in clock.read_text()
