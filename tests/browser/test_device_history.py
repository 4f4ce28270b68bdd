"""The history of a device on its page: sentences, newest first, renewed as things happen."""

from __future__ import annotations

import time

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.errors import UnavailableError
from app.model import Device, ExitSettings, SeenDevice, VpnPolicy
from app.protocol.device_history import DeviceRecord
from app.protocol.events import DeviceChanged, ExceptionStarted
from app.protocol.status import ExitState, ExitStatus
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV = "02:00:00:00:00:01"
HOUR = 3600.0
# Each change with its fields, the first first; what the page says of it in English, and beside it.
TOLD: list[tuple[str, dict[str, object], str, str]] = [
    ("appeared", {"address": "192.168.77.20", "name": "lgwebostv"}, "New in the network", "lgwebostv · 192.168.77.20"),
    ("online", {}, "Came online", ""),
    ("offline", {}, "Went offline", ""),
    (
        "address",
        {"address": "192.168.77.21", "before": "192.168.77.20"},
        "Got the address 192.168.77.21 in place of 192.168.77.20",
        "",
    ),
    ("admitted", {}, "Admitted", ""),
    ("renamed", {"name": "Telly"}, "Named Telly", ""),
    ("renamed", {"name": "Telly", "before": "TV"}, "Renamed from TV to Telly", ""),
    ("renamed", {"before": "Telly"}, "No longer named Telly", ""),
    ("group", {"group": "Children"}, "Put into the group Children", ""),
    ("group", {"before": "Children"}, "Taken out of the group Children", ""),
    ("fixed_address", {"address": "192.168.77.9"}, "Always gets the address 192.168.77.9", ""),
    ("fixed_address", {"before": "192.168.77.9"}, "No longer has the fixed address 192.168.77.9", ""),
    (
        "policy",
        {"policy": "blocked", "before": "vpn:tv", "cause": "group_schedule", "group": "Children"},
        "Moved from Television to Blocked",
        "by the times of its group Children",
    ),
    ("own_policy", {"policy": "vpn"}, "Its own rule is now Main exit", ""),
    ("own_policy", {"before": "vpn"}, "Has no rule of its own any more", ""),
    ("schedule", {}, "Its times were changed", ""),
    ("self_service", {"allow": "pause"}, "It may decide itself: Pause the VPN", ""),
    ("self_service", {}, "It may decide itself what all may", ""),
    (
        "exception_start",
        {"policy": "direct", "by": "admin", "reason": "football"},
        "Without VPN until {until}, by an admin: football",
        "",
    ),
    (
        "exception_start",
        {"policy": "blocked", "by": "API key phone", "group": "Children"},
        "Blocked until {until}, by the API key phone",
        "for its group Children",
    ),
    (
        "exception_start",
        {"policy": "direct", "by": "the device itself", "reason": "a pause that the device has taken"},
        "Without VPN until {until}, by the device itself",
        "",
    ),
    (
        "exception_end",
        {"before": "direct", "policy": "vpn", "cause": "time"},
        "Without VPN for a while is over; now Main exit",
        "its time was over",
    ),
]


def records(start: float, count: int = len(TOLD)) -> tuple[DeviceRecord, ...]:
    found: list[DeviceRecord] = []
    for number in range(count):
        change, fields, _, _ = TOLD[number % len(TOLD)]
        until = {"until": start + HOUR} if change == "exception_start" else {}
        found.append(DeviceRecord(id=number + 1, time=start + number, change=change, **fields, **until))  # type: ignore[arg-type]
    return tuple(found)


@pytest.fixture
def address() -> str:
    return f"/devices/{TV}"


@pytest.fixture(autouse=True)
def household(page: Page, gateway: FakeGateway) -> None:
    now = time.time()
    gateway.state = msgspec.structs.replace(
        gateway.state,
        exits=(*gateway.state.exits, ExitStatus("tv", ExitState.DISCONNECTED)),
        exit_settings=(ExitSettings("default"), ExitSettings("tv", label="Television")),
        devices=(Device(TV, VpnPolicy(), "Telly"),),
        seen=(SeenDevice(TV, now - 9e5, now, True, ("192.168.77.20",), "lgwebostv", (), "LG", "tv"),),
    )
    gateway.device_history.records = {TV: records(now - 2 * HOUR)}
    page.reload()


def test_each_change_is_a_sentence_the_newest_first(page: Page) -> None:
    history = page.get_by_role("region", name="History")
    rows = history.get_by_role("listitem")
    expect(rows).to_have_count(20)
    history.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(len(TOLD))
    expect(history.get_by_role("button", name="Show more")).to_have_count(0)
    for row, (_, _, sentence, beside) in zip(rows.all(), reversed(TOLD), strict=True):
        first, _, last = sentence.partition("{until}")
        title = row.locator("p").first.text_content() or ""
        assert title.startswith(first), title
        assert title.endswith(last), title
        if last:
            assert title.removeprefix(first).removesuffix(last).count(":") == 1  # an hour of the day
        assert (row.locator("p.hint").text_content() if beside else "") == beside
        assert row.locator("time").get_attribute("datetime")


def test_reader_of_german_reads_german(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/settings/display")
    page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("heading", level=1, name="Sprache und Aussehen")).to_be_visible()
    page.goto(f"{server.url}/devices/{TV}")
    rows = page.get_by_role("region", name="Verlauf").get_by_role("listitem")
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("Ohne VPN für eine Weile ist vorbei; jetzt Hauptausgang")
    expect(rows.nth(3)).to_contain_text("von einem Admin: football")


def test_what_happens_now_is_there_at_once(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    history = page.get_by_role("region", name="History")
    expect(history.get_by_role("listitem")).to_have_count(20)

    def happen(change: str, event: object, **fields: object) -> None:
        known = gateway.device_history.records[TV]
        new = DeviceRecord(id=len(known) + 1, time=time.time(), change=change, **fields)  # type: ignore[arg-type]
        gateway.device_history.records[TV] = (*known, new)
        server.run(lambda: gateway.publish(event))  # type: ignore[arg-type]

    happen("offline", DeviceChanged(TV, "offline"))
    expect(history.get_by_role("listitem").first).to_contain_text("Went offline")
    until = time.time() + HOUR
    started = ExceptionStarted(1, None, "Children", "direct", until, "admin", "film")
    happen("exception_start", started, policy="direct", until=until, by="admin", reason="film", group="Children")
    expect(history.get_by_role("listitem").first).to_contain_text("by an admin: film")
    history.get_by_role("button", name="Show more").click()
    expect(history.get_by_role("listitem")).to_have_count(len(TOLD) + 2)
    happen("online", DeviceChanged(TV, "online"))
    expect(history.get_by_role("listitem")).to_have_count(len(TOLD) + 3)  # what was shown stays


def test_device_to_which_nothing_has_happened_says_so(page: Page, gateway: FakeGateway) -> None:
    gateway.device_history.records = {}
    page.reload()
    expect(page.get_by_role("region", name="History")).to_contain_text("Nothing has happened yet")


def test_history_that_cannot_be_read_is_a_sentence(page: Page, gateway: FakeGateway, server: WebServer) -> None:
    history = page.get_by_role("region", name="History")
    expect(history.get_by_role("listitem")).to_have_count(20)
    gateway.failure = UnavailableError("The statistics cannot be read now: disk I/O error", code="storage")
    server.run(lambda: gateway.publish(DeviceChanged(TV, "offline")))
    expect(history.get_by_role("alert")).to_be_visible()
    gateway.failure = None
    history.get_by_role("button", name="Try again").click()
    expect(history.get_by_role("alert")).to_have_count(0)
    expect(history.get_by_role("listitem")).to_have_count(20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_history_shuts_nobody_out(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    more = page.get_by_role("region", name="History").get_by_role("button", name="Show more")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="History").get_by_role("listitem")).to_have_count(len(TOLD))
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
