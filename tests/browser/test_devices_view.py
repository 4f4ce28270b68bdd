"""Devices: who waits, a row each with one control, the search."""

from __future__ import annotations

import time

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.model import BlockedPolicy, Device, SeenDevice, VpnPolicy
from app.protocol.commands import AdmitDevice, SetDevicePolicy
from app.protocol.events import DeviceChanged, TrafficRates
from app.protocol.statistics import Bytes
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.held_requests import HeldRequests
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV, NEW, NAS = "02:00:00:00:00:01", "02:00:00:00:00:05", "02:00:00:00:00:06"


@pytest.fixture
def address() -> str:
    return "/devices"


@pytest.fixture(autouse=True)
def household(page: Page, gateway: FakeGateway) -> None:
    now = time.time()
    gateway.state = msgspec.structs.replace(
        gateway.state,
        devices=(
            Device(TV, VpnPolicy(), "Telly", own=False),
            Device(NEW, VpnPolicy(), own=False, admitted=False),
        ),
        seen=(
            SeenDevice(TV, now - 9e5, now, True, ("192.168.77.20",), "lgwebostv", (), "LG", "tv"),
            SeenDevice(NEW, now, now, True, ("192.168.77.24",), None, (), "Reolink", "camera"),
            SeenDevice(NAS, now - 9e5, now - 7200, False, ("192.168.77.22",), "nas", (), "Synology", "storage"),
        ),
    )
    page.reload()


def policies(gateway: FakeGateway) -> list[object]:
    return [each.policy for each in gateway.commands if isinstance(each, SetDevicePolicy)]


def test_row_says_who_it_is_and_what_it_does(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    row = page.locator(".device").filter(has_text="Telly")
    expect(row).to_contain_text("LG · 192.168.77.20")
    expect(row).to_contain_text("Online")
    expect(page.locator(".device").filter(has_text="nas")).to_contain_text("Last seen 2 hours ago")
    rates = TrafficRates(time.time(), 2.0, Bytes(1, 1), {TV: Bytes(12_500, 1_250_000)}, {})
    server.run(lambda: gateway.tell_rates(rates))
    expect(row).to_contain_text("10 Mbit/s down, 100 kbit/s up")


def test_waiting_device_is_admitted(page: Page, gateway: FakeGateway) -> None:
    expect(page.get_by_role("navigation").get_by_text("1 device waits for you")).to_be_attached()
    waiting = page.get_by_role("region", name="1 device waits for you")
    waiting.get_by_role("button", name="Admit Reolink").click()
    expect(page.get_by_text("Reolink is admitted.")).to_be_visible()
    expect(waiting).to_have_count(0)
    expect(page.locator(".device").filter(has_text="Reolink")).to_be_visible()
    assert AdmitDevice(NEW) in gateway.commands


def test_device_is_blocked_and_undone(page: Page, gateway: FakeGateway) -> None:
    menu = page.get_by_label("Internet of Telly")
    menu.select_option("blocked")
    expect(page.get_by_text("Telly is blocked.")).to_be_visible()
    expect(menu).to_have_value("blocked")
    page.get_by_role("button", name="Undo").click()
    expect(menu).to_have_value("vpn")
    last = [each for each in gateway.commands if isinstance(each, SetDevicePolicy)][-1]
    assert last.policy is None  # it follows the others again, as it did


def test_choice_during_an_undo_goes_back_to_what_that_left(page: Page, gateway: FakeGateway) -> None:
    menu = page.get_by_label("Internet of Telly")
    menu.select_option("blocked")
    expect(page.get_by_text("Telly is blocked.")).to_be_visible()
    held = HeldRequests(page, "**/policy", "PUT")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    menu.select_option("vpn")
    held.release()
    expect(page.get_by_text("Telly now leaves by Main exit.")).to_be_visible()
    assert policies(gateway) == [BlockedPolicy(), None, VpnPolicy()]
    page.get_by_role("button", name="Undo").click()
    held.wait_for("the undo", lambda: len(policies(gateway)) == 4)
    assert policies(gateway)[-1] is None  # it follows the others again, as it did after the first undo


def test_choice_made_twice_is_one_change(page: Page) -> None:
    held = HeldRequests(page, "**/policy", "PUT")
    menu = page.get_by_label("Internet of Telly")
    with held.one_more():
        menu.select_option("blocked")
    expect(menu).to_have_attribute("aria-busy", "true")
    expect(menu).to_have_value("vpn")  # until the gateway says otherwise
    menu.select_option("blocked")
    held.release()
    expect(page.get_by_text("Telly is blocked.")).to_be_visible()
    expect(menu).to_have_attribute("aria-busy", "false")
    expect(menu).to_have_value("blocked")
    assert len(held.all) == 1


def test_last_of_several_choices_counts(page: Page, gateway: FakeGateway) -> None:
    held = HeldRequests(page, "**/policy", "PUT")
    menu = page.get_by_label("Internet of Telly")
    for choice in ("blocked", "vpn", "inherit", "blocked", "inherit"):
        menu.select_option(choice)
    held.release()
    expect(page.get_by_text("Telly follows the others.")).to_be_visible()
    expect(menu).to_have_value("vpn")
    asked = [each.policy for each in gateway.commands if isinstance(each, SetDevicePolicy)]
    assert asked == [BlockedPolicy(), None]


def test_second_question_for_the_password_calls_the_first_off(page: Page, gateway: FakeGateway) -> None:
    held = HeldRequests(page, "**/api/exceptions", "POST")
    menus = [page.get_by_label(f"Internet of {name}") for name in ("Telly", "nas")]
    for menu in menus:
        with held.one_more():
            menu.select_option("direct:15")
    first, second = held.all
    first.continue_()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    second.continue_()
    expect(menus[0]).to_have_attribute("aria-busy", "false")
    dialog.get_by_role("button", name="Close").click()
    expect(menus[1]).to_have_attribute("aria-busy", "false")
    assert not gateway.state.exceptions


def test_late_answer_does_not_undo_an_event(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.get_by_role("link", name="Telly")).to_be_visible()  # this visit's own question is answered
    held = HeldRequests(page, "**/api/devices", "GET")
    with held.one_more():
        page.reload()
    expect(page.get_by_label("Search devices")).to_be_visible()
    late = held.all[0].fetch()
    newer = Device(TV, VpnPolicy(), "Television", own=False)
    gateway.state = msgspec.structs.replace(gateway.state, devices=(newer,))
    server.run(lambda: gateway.publish(DeviceChanged(TV, "renamed")))
    expect(page.get_by_role("link", name="Television")).to_be_visible()
    held.answer(late)
    expect(page.get_by_role("link", name="nas")).to_be_visible()  # only the list has it
    expect(page.get_by_role("link", name="Television")).to_be_visible()


def test_search_finds_by_any_word(page: Page) -> None:
    search = page.get_by_label("Search devices")
    search.fill("syno 77.22")
    expect(page.locator(".device")).to_have_count(1)
    expect(page.get_by_text("1 device", exact=True)).to_be_visible()
    search.fill("nothing like it")
    expect(page.get_by_text("No device matches")).to_be_visible()


def test_markup_in_a_name_stays_text(page: Page, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, devices=(Device(TV, VpnPolicy(), "<img src=x>"),))
    page.reload()
    expect(page.get_by_text("<img src=x>")).to_be_visible()
    expect(page.locator("img")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_devices_shut_nobody_out(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".device")).to_have_count(3)
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
