"""One device: its facts, its traffic, why it has or has no Internet, and all that can be decided about it."""

from __future__ import annotations

import math
import re
import time

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.model import BlockedPolicy, Device, ScheduleEntry, SeenDevice, SelfService, VpnPolicy
from app.protocol.commands import ChangeDevice, ForgetDevice, SetDeviceSchedule, SetSelfService
from app.protocol.statistics import Bytes, Point, Series
from ci.labnet.owner import PASSWORD
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.fake_records import Answer, FakeRecords, Question
from tests.support.held_requests import HeldRequests
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV, NEW = "02:00:00:00:00:01", "02:00:00:00:00:05"
# Ends when the page's clock has ticked three times from now on.
SECONDS_LATER = """async () => {
  const { now } = await import("/static/store/clock.js");
  let ticks = -1; // the first call tells the time of now
  await new Promise((done) => now.subscribe(() => { ticks += 1; if (ticks === 3) done(); }));
}"""
BEDTIME = ScheduleEntry(frozenset({0, 1, 2, 3, 6}), 1260, 420, BlockedPolicy())


class Day(FakeRecords):
    """A day of traffic, minute by minute; nothing was counted in its first hours."""

    def answer(self, question: Question) -> Answer:
        found = super().answer(question)
        series = getattr(found, "series", None)
        if not isinstance(series, Series) or series.step != "minute":
            return found
        start = int(time.time()) // 60 * 60 - 1440 * 60
        points = [
            Point(start + n * 60, None, None, 0.0)
            if n < 200
            else Point(start + n * 60, 9000 + n * 40, int(6e6 * (1 + math.sin(n / 90))), 1.0)
            for n in range(1440)
        ]
        sums = Bytes(sum(p.up or 0 for p in points), sum(p.down or 0 for p in points))
        return msgspec.structs.replace(
            found, series=Series(series.subject, "minute", start, start + 1440 * 60, tuple(points), sums)
        )


@pytest.fixture
def address() -> str:
    return f"/devices/{TV}"


@pytest.fixture(autouse=True)
def household(page: Page, gateway: FakeGateway) -> None:
    now = time.time()
    gateway.records = Day()
    gateway.state = msgspec.structs.replace(
        gateway.state,
        devices=(
            Device(TV, BlockedPolicy(), "Telly", group="Children", schedule=(BEDTIME,)),
            Device(NEW, VpnPolicy(), own=False, admitted=False),
        ),
        seen=(
            SeenDevice(TV, now - 9e5, now, True, ("192.168.77.20", "fd00::20"), "lgwebostv", (), "LG", "tv"),
            SeenDevice(NEW, now, now, True, ("192.168.77.24",), None, (), "Reolink", "camera"),
        ),
    )
    page.reload()


def changes(gateway: FakeGateway) -> list[ChangeDevice]:
    return [each for each in gateway.commands if isinstance(each, ChangeDevice)]


def schedule_of_telly(gateway: FakeGateway) -> tuple[ScheduleEntry, ...]:
    return next(each.schedule for each in gateway.state.devices if each.mac == TV)


def test_row_leads_to_its_device(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/devices")
    page.get_by_role("link", name="Telly").click()
    expect(page).to_have_url(f"{server.url}/devices/{TV}")
    expect(page.get_by_role("heading", name="Telly", level=1)).to_be_focused()
    page.get_by_role("link", name="All devices").click()
    expect(page.get_by_role("heading", name="Devices", level=1)).to_be_focused()


def test_facts_and_why_are_sentences(page: Page, gateway: FakeGateway) -> None:
    facts = page.get_by_role("region", name="What it is")
    for text in ("192.168.77.20", "fd00::20", "LG", "Television", "lgwebostv", TV, "Online"):
        expect(facts).to_contain_text(text)
    expect(facts).to_contain_text("First seen")
    head = page.locator(".device-head")
    expect(head).to_contain_text("It has no Internet. You have blocked it.")
    expect(head).to_contain_text("Give it the VPN when it may go out again.")
    head.get_by_role("button", name="Give it the VPN").click()
    expect(page.get_by_text("Telly now leaves by Main exit.")).to_be_visible()
    assert "vpn-gateway" not in (page.locator("main").text_content() or "")  # no command lines, no codes


def test_exit_that_does_not_answer_is_the_cause(page: Page, gateway: FakeGateway) -> None:
    telly = msgspec.structs.replace(
        gateway.explanations.why[TV], policy=VpnPolicy(), exit="default", rule="blocked", reason="handshake_timeout"
    )
    gateway.explanations.why[TV] = telly
    page.reload()
    head = page.locator(".device-head")
    expect(head).to_contain_text("The server of its exit, Main exit, does not answer.")
    expect(head.get_by_role("link", name="See its exit")).to_have_attribute("href", "/exits/default")


def test_traffic_of_a_day_is_drawn_and_told(page: Page) -> None:
    chart = page.get_by_role("region", name="Traffic")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.get_by_role("img", name="Traffic")).to_be_visible()
    expect(chart.locator(".summary")).to_have_text(re.compile(r"GB down and [\d.]+ MB up; the most at"))
    over = chart.locator(".u-over")
    over.hover()
    expect(chart.locator(".key").first).to_contain_text("bit/s")
    over.evaluate("(drawn) => { drawn.dataset.first = 'yes' }")
    page.evaluate(SECONDS_LATER)
    expect(over).to_have_attribute("data-first", "yes")  # it is not drawn anew as time passes
    expect(chart.locator(".key").first).to_contain_text("bit/s")
    chart.get_by_label("The last").select_option("7d")
    expect(chart.locator(".summary")).to_have_text("Nothing was sent or received in this time.")
    with page.expect_download() as waiting:
        chart.get_by_role("button", name="File for spreadsheets (CSV)").click()
    assert waiting.value.path().read_text().startswith("time_utc,bytes_down,bytes_up,covered\n")


def test_name_is_saved_at_once_and_undone(page: Page, gateway: FakeGateway) -> None:
    name = page.get_by_label("Name", exact=True)
    name.fill("Big telly")
    name.press("Enter")
    expect(page.get_by_role("heading", name="Big telly", level=1)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Telly", level=1)).to_be_visible()
    assert [each.name for each in changes(gateway)] == ["Big telly", "Telly"]


def test_name_given_during_an_undo_goes_back_to_what_that_left(page: Page, gateway: FakeGateway) -> None:
    name = page.get_by_label("Name", exact=True)
    name.fill("Big telly")
    name.press("Enter")
    expect(page.get_by_role("heading", name="Big telly", level=1)).to_be_visible()
    held = HeldRequests(page, "**/api/devices/*", "PATCH")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    name.fill("Huge")
    name.press("Enter")
    held.release()
    expect(page.get_by_role("heading", name="Huge", level=1)).to_be_visible()
    page.locator(".toast").filter(has_text="Huge").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Telly", level=1)).to_be_visible()
    assert [each.name for each in changes(gateway)] == ["Big telly", "Telly", "Huge", "Telly"]


def test_refused_address_is_told_at_its_field(page: Page, gateway: FakeGateway) -> None:
    field = page.get_by_label("Fixed address")
    field.fill("192.168.77.1")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").filter(has_text="It is the gateway's own")).to_be_visible()
    field.fill("192.168.77.9")
    field.press("Tab")
    expect(page.get_by_text("Telly now always gets 192.168.77.9.")).to_be_visible()
    expect(page.get_by_label("Fixed address")).to_have_value("192.168.77.9")


def test_group_is_left(page: Page, gateway: FakeGateway) -> None:
    page.get_by_label("Group", exact=True).select_option("No group")
    expect(page.get_by_text("Telly is in no group.")).to_be_visible()
    assert changes(gateway)[-1].group is None


def test_time_is_added_by_keyboard_and_removed(page: Page, gateway: FakeGateway) -> None:
    times = page.get_by_role("region", name="Times")
    expect(times).to_contain_text(re.compile(r"Mon.Thu, Sun, 21:00 to 7:00 of the next day: Blocked"))
    expect(times).to_contain_text("By the gateway's clock (UTC)")
    times.get_by_role("button", name="Add a time for Telly").click()
    times.get_by_role("button", name="Add a time").last.click()
    expect(times.get_by_role("alert")).to_have_text("Choose at least one day.")
    expect(times.get_by_role("alert")).to_be_focused()
    times.get_by_label("Saturday").press("Space")
    times.get_by_label("From").fill("10:00")
    times.get_by_label("Until").fill("12:30")
    times.get_by_label("Then").select_option("vpn")
    times.get_by_role("button", name="Add a time", exact=True).press("Enter")
    expect(times).to_contain_text("Sat, 10:00 to 12:30: Main exit")
    last = [each for each in gateway.commands if isinstance(each, SetDeviceSchedule)][-1]
    assert last.schedule == (BEDTIME, ScheduleEntry(frozenset({5}), 600, 750, VpnPolicy()))
    times.get_by_role("button", name=re.compile("^Remove: Mon.Thu")).click()
    expect(times.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="Undo").last.click()
    expect(times.get_by_role("listitem")).to_have_count(2)


def test_time_removed_while_an_undo_is_under_way_stays_so(page: Page, gateway: FakeGateway) -> None:
    noon = ScheduleEntry(frozenset({5}), 720, 780, BlockedPolicy())
    telly = msgspec.structs.replace(gateway.state.devices[0], schedule=(BEDTIME, noon))
    gateway.state = msgspec.structs.replace(gateway.state, devices=(telly, *gateway.state.devices[1:]))
    page.reload()
    times = page.get_by_role("region", name="Times")
    times.get_by_role("button", name="Add a time for Telly").click()
    times.get_by_label("Sunday").press("Space")
    times.get_by_role("button", name="Add a time", exact=True).press("Enter")
    expect(times.get_by_role("listitem")).to_have_count(3)
    held = HeldRequests(page, "**/api/devices/*/schedule", "PUT")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    times.get_by_role("button", name=re.compile("^Remove: Sat, 12:00")).click()
    held.release()
    held.wait_for("both", lambda: schedule_of_telly(gateway) == (BEDTIME,))
    expect(times.get_by_role("listitem")).to_have_count(1)


def test_part_changed_while_self_service_is_undone_counts(page: Page, gateway: FakeGateway) -> None:
    gateway.explanations.own[TV] = SelfService("exit")
    page.reload()
    page.get_by_role("checkbox", name="Main exit").press("Space")
    expect(page.get_by_text("What Telly may decide is changed.")).to_be_visible()
    held = HeldRequests(page, "**/api/devices/*/self-service", "PUT")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    page.get_by_label("It may decide", exact=True).select_option("off")
    held.pass_by("/api/self-service")
    held.release()
    held.wait_for("both", lambda: gateway.explanations.own[TV] == SelfService("off"))


def test_pause_for_itself_needs_the_password(page: Page, gateway: FakeGateway) -> None:
    menu = page.get_by_label("It may decide", exact=True)
    expect(menu).to_have_value("default")
    menu.select_option("pause")
    page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("What Telly may decide is changed.")).to_be_visible()
    expect(menu).to_have_value("pause")
    assert SetSelfService(TV, SelfService("pause")) in [
        msgspec.structs.replace(each, password=None) for each in gateway.commands if isinstance(each, SetSelfService)
    ]
    expect(page.get_by_label("Longest pause")).to_have_value("1800")
    page.get_by_role("button", name="Undo").click()
    expect(menu).to_have_value("default")


def test_what_if_is_asked(page: Page) -> None:
    box = page.get_by_role("region", name="What if")
    box.get_by_label("Where to").fill("www.example.org")
    box.get_by_label("Suppose").select_option("If Main exit were down")
    box.get_by_role("button", name="Ask").click()
    expect(box.get_by_role("status")).to_contain_text("It would not reach www.example.org.")
    expect(box.get_by_role("status")).to_contain_text("www.example.org is 192.0.2.80.")


def test_waiting_device_is_admitted(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/devices/{NEW}")
    page.get_by_role("button", name="Admit Reolink").click()
    expect(page.get_by_text("Reolink is admitted.")).to_be_visible()
    expect(page.get_by_label("Internet of Reolink")).to_be_visible()


def test_device_is_forgotten_only_after_a_yes(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    page.get_by_role("button", name="Forget this device").click()
    dialog = page.get_by_role("dialog", name="Forget Telly?")
    expect(dialog).to_contain_text("comes back as a new device")
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_have_count(0)
    assert ForgetDevice(TV) not in gateway.commands
    page.get_by_role("button", name="Forget this device").click()
    dialog.get_by_role("button", name="Forget this device").click()
    expect(page.get_by_text("Telly is forgotten.")).to_be_visible()
    expect(page).to_have_url(f"{server.url}/devices")
    assert any(isinstance(each, ForgetDevice) for each in gateway.commands)


def test_unknown_device_is_told(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/devices/02:00:00:00:00:99")
    expect(page.get_by_text("It was forgotten, or was never here.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_device_shuts_nobody_out(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".device-head .why")).to_contain_text("It has no Internet.")
    expect(page.locator(".chart canvas")).to_be_visible()
    page.get_by_role("button", name="Add a time for Telly").click()
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
