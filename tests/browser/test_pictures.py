"""A picture of every view, for people to look at: on a phone and a desk, light and dark, in build/pictures/."""

from __future__ import annotations

import math
import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    ExitSettings,
    Fallback,
    Group,
    PolicyException,
    ScheduleEntry,
    SeenDevice,
    ServerChange,
    VpnPolicy,
)
from app.protocol.device_history import DeviceRecord
from app.protocol.events import SecurityAlert, StatusChanged
from app.protocol.statistics import Bytes, Point, Series, Transition
from app.protocol.status import ExitState, ExitStatus
from tests.support.fake_gateway import FakeGateway
from tests.support.fake_records import Answer, FakeRecords, Question
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "build" / "pictures"
TV, TABLET, CAMERA, NEW = (f"02:00:00:00:00:{number:02}" for number in (1, 3, 4, 5))
BEDTIME = ScheduleEntry(frozenset(range(7)), 1260, 420, BlockedPolicy())
SECTIONS = "accounts adding connection password sessions keys devices network traffic history logs backup display about"
VIEWS = {
    "home": "/",
    "devices": "/devices",
    "device": f"/devices/{TV}",
    "groups": "/devices/groups",
    "exits": "/exits",
    "exit": "/exits/tv",
    "servers": "/servers",
    "protection": "/protection",
    "proof": "/proof",
    "settings": "/settings",
    **{f"settings-{section}": f"/settings/{section}" for section in SECTIONS.split()},
    **{f"welcome-{step or 'password'}": f"/welcome/{step}".rstrip("/") for step in ("", "provider", "server", "done")},
    "api": "/api/docs",
    "nothing": "/nothing",
}


class Day(FakeRecords):
    """Traffic that rises and falls, and some transitions of the last days."""

    def __init__(self) -> None:
        super().__init__()
        now = time.time()
        steps = [
            ("disconnected", "connecting", 500_000, "asked"),
            ("connecting", "connected", 499_990, "handshake"),
            ("connected", "blocked", 200_000, "tunnel_dead"),
            ("blocked", "connected", 190_000, "handshake"),
            ("connected", "blocked", 40_000, "wan_down"),
            ("blocked", "connected", 30_000, "handshake"),
        ]
        self.history = [
            Transition(
                id=number,
                time=now - ago,
                exit="default",
                before=before,
                after=after,
                cause=cause,
                server="se-sto-wg-001",
                provider="mullvad",
            )
            for number, (before, after, ago, cause) in reversed(list(enumerate(steps, 1)))
        ]

    def answer(self, question: Question) -> Answer:
        found = super().answer(question)
        series = getattr(found, "series", None)
        if not isinstance(series, Series):
            return found
        size = {"minute": 60, "hour": 3600, "day": 86400}[series.step]
        count = {"minute": 1440, "hour": 168, "day": 52}[series.step]
        start = int(time.time()) // size * size - count * size
        points = tuple(
            Point(start + n * size, size * (900 + n), int(size * 1e5 * (1 + math.sin(n / 90))), 1.0)
            for n in range(count)
        )
        sums = Bytes(sum(p.up or 0 for p in points), sum(p.down or 0 for p in points))
        return msgspec.structs.replace(
            found, series=Series(series.subject, series.step, start, start + count * size, points, sums)
        )


def past_of_the_telly() -> tuple[DeviceRecord, ...]:
    now = time.time()
    return (
        DeviceRecord(id=1, time=now - 9e5, change="appeared", name="lgwebostv", address="192.168.77.20"),
        DeviceRecord(id=2, time=now - 8.9e5, change="renamed", name="Telly"),
        DeviceRecord(id=3, time=now - 8.8e5, change="group", group="Living room"),
        DeviceRecord(id=4, time=now - 8.8e5, change="policy", policy="vpn:tv", before="vpn", cause="own"),
        *(
            DeviceRecord(id=n, time=now - 8e5 + n * 3e4, change="online" if n % 2 else "offline")  # day after day
            for n in range(5, 21)
        ),
        DeviceRecord(id=21, time=now - 9e4, change="policy", policy="blocked", before="vpn:tv", cause="schedule"),
        DeviceRecord(id=22, time=now - 8e4, change="policy", policy="vpn:tv", before="blocked", cause="own"),
        DeviceRecord(
            id=23,
            time=now - 7e3,
            change="exception_start",
            policy="direct",
            until=now - 3.4e3,
            by="admin",
            reason="football",
            group="Living room",
        ),
        DeviceRecord(
            id=24,
            time=now - 3.4e3,
            change="exception_end",
            policy="vpn:tv",
            before="direct",
            cause="time",
            group="Living room",
        ),
        DeviceRecord(id=25, time=now - 900, change="address", address="192.168.77.20", before="192.168.77.131"),
    )


@pytest.fixture(autouse=True)
def household(gateway: FakeGateway, server: WebServer) -> None:
    now = time.time()
    match = PolicyException(1, 1, DirectPolicy(), now, now + 1500, 1500.0, "admin", TABLET, None, "the match")
    gateway.records = Day()
    gateway.device_history.records = {TV: past_of_the_telly()}
    gateway.accounts.preferences = msgspec.structs.replace(
        gateway.accounts.preferences,
        favourites=("mullvad/se-got-wg-001",),
        recent=("mullvad/se-sto-wg-001", "mullvad/de-ber-wg-001"),
    )
    up = ExitStatus(
        "default", ExitState.CONNECTED, "se-sto-wg-001", "mullvad", "Stockholm, Sweden", "192.0.2.1", since=now - 7300
    )
    television = ExitStatus("tv", ExitState.BLOCKED, message="uk-lon-wg-001 does not answer", retry_in=20)
    gateway.state = msgspec.structs.replace(
        gateway.state,
        devices=(
            Device(TV, VpnPolicy("tv"), "Telly", group="Living room", schedule=(BEDTIME,)),
            Device(TABLET, VpnPolicy(), "Tablet of the children", group="Children", own=False),
            Device(CAMERA, BlockedPolicy(), "Camera at the door"),
            Device(NEW, VpnPolicy(), own=False, admitted=False),
        ),
        groups=(Group("Children", VpnPolicy(), (BEDTIME,)), Group("Living room")),
        seen=(
            SeenDevice(TV, now - 9e5, now, True, ("192.168.77.20", "fd00::20"), "lgwebostv", (), "LG", "tv"),
            SeenDevice(TABLET, now - 8e5, now, True, ("192.168.77.21",), "tablet", (), "Samsung", "tablet"),
            SeenDevice(CAMERA, now - 7e5, now - 4000, False, ("192.168.77.22",), None, (), "Reolink", "camera"),
            SeenDevice(NEW, now, now, True, ("192.168.77.24",), None, (), "Espressif"),
        ),
        exits=(up, television),
        exit_settings=(
            ExitSettings("default"),
            ExitSettings(
                "tv",
                "Television",
                "mullvad",
                "fastest:Sweden",
                (Fallback("Germany"),),
                server_changes=(ServerChange(240),),
            ),
        ),
        exceptions=(match,),
    )
    server.run(lambda: gateway.publish(SecurityAlert("drift", "a rule was put back")))
    server.run(lambda: gateway.publish(StatusChanged()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_view_is_pictured(page: Page, server: WebServer, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    least = 844 if width < 1000 else 900
    page.set_viewport_size({"width": width, "height": least})
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, path in VIEWS.items():
        page.goto(server.url + path)
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
        expect(page.locator(".place[aria-busy=true]")).to_have_count(0)
        expect(page.get_by_text("Asking the gateway")).to_have_count(0)
        page.wait_for_timeout(300)  # what is drawn follows what was answered
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.set_viewport_size({"width": width, "height": max(least, page.evaluate("document.body.scrollHeight"))})
        page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png")
        page.set_viewport_size({"width": width, "height": least})
