"""The page on a real gateway, in the browsers of two devices: what it says is what the packets do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ci.labnet import Lab
from ci.labnet.addresses import LAN_HOSTS, VPNS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.page_browser import PHONE, browser_on, page_on
from tests.lab.test_devices import connect, policy
from tests.lab.ways import exit_address, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(300)]

SE, DE = VPNS["vpn-se"][0], VPNS["vpn-de"][0]
SOON = 20_000.0  # milliseconds: what the page is told of at once, on a busy machine


@pytest.fixture(scope="module")
def browsers(lab: Lab) -> Iterator[dict[str, Browser]]:
    with (
        sync_playwright() as playwright,
        browser_on(lab, "laptop", playwright) as laptop,
        browser_on(lab, "tv", playwright) as tv,
    ):
        yield {"laptop": laptop, "tv": tv}


@pytest.fixture(autouse=True)
def as_at_first(lab: Lab) -> None:
    for one in lab.api("GET", "/api/exceptions")["exceptions"]:
        lab.api("DELETE", f"/api/exceptions/{one['id']}")
    for host in LAN_HOSTS:
        policy(lab, host, "vpn")
    connect(lab, "vpn-se")


def state_is(page: Page, state: str) -> None:
    expect(page.locator(".hero")).to_have_attribute("data-state", state, timeout=SOON)


def wan_address(lab: Lab) -> str:
    return lab.api("GET", "/api/status")["wan"]["addresses"][0].partition("/")[0]


def test_one_tap_moves_everybody_to_another_server(lab: Lab, browsers: dict[str, Browser]) -> None:
    lab.api("PUT", "/api/favourites/custom/vpn-de")
    with page_on(browsers["laptop"]) as page, page_on(browsers["tv"], size=PHONE) as telly:
        state_is(page, "protected")
        expect(page.locator(".facts").first).to_contain_text("Stockholm")
        assert exit_address(lab, "laptop") == SE
        page.get_by_role("button", name="Connect to vpn-de").click()
        for each in (page, telly):
            expect(each.locator(".hero .facts")).to_contain_text("vpn-de", timeout=SOON)
            expect(each.locator(".hero .facts")).to_contain_text("Berlin")
            state_is(each, "protected")
        expect(telly.locator(".this-device h2")).to_have_text("This device leaves by Berlin, Germany")
        assert exit_address(lab, "tv") == DE
        page.get_by_role("button", name="Disconnect").click()
        for each in (page, telly):
            state_is(each, "blocked")
        assert seen_as(lab, "tv") == ""
        page.get_by_role("button", name="Undo").click()
        state_is(telly, "protected")
        wait_for("the TV to be out again", lambda: seen_as(lab, "tv") == DE)


def test_device_is_moved_while_its_own_page_is_open(lab: Lab, browsers: dict[str, Browser]) -> None:
    with page_on(browsers["laptop"], "/devices") as page, page_on(browsers["tv"], size=PHONE) as telly:
        mine = telly.locator(".this-device")
        expect(mine).to_have_attribute("data-tone", "protected", timeout=SOON)
        menu = page.locator(".device").filter(has_text="tv").get_by_role("combobox")
        menu.select_option("blocked")
        expect(mine.get_by_role("heading")).to_have_text("This device has no Internet", timeout=SOON)
        expect(mine).to_have_attribute("data-tone", "blocked")
        assert (seen_as(lab, "tv"), seen_as(lab, "laptop")) == ("", SE)
        page.get_by_role("button", name="Undo").click()
        expect(mine).to_have_attribute("data-tone", "protected", timeout=SOON)
        wait_for("the TV to be out again", lambda: seen_as(lab, "tv") == SE)
        menu.select_option("vpn:second")  # which is not connected: nothing leaves, and both say so
        expect(mine.get_by_role("heading")).to_have_text("This device has no Internet", timeout=SOON)
        assert seen_as(lab, "tv") == ""


def test_exception_counts_down_and_is_ended_by_hand_and_by_time(lab: Lab, browsers: dict[str, Browser]) -> None:
    wan = wan_address(lab)
    with page_on(browsers["tv"], size=PHONE) as telly, page_on(browsers["laptop"]) as page:
        telly.get_by_label("Internet of this device").select_option("direct:30")
        telly.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
        telly.keyboard.press("Enter")
        for each in (telly, page):
            state_is(each, "open")
        row = page.get_by_role("listitem").filter(has_text="tv: Without VPN")
        expect(row.locator(".countdown > span").first).to_have_text(re.compile(r"29:\d\d|30:00"))
        wait_for("the TV to leave in the clear", lambda: seen_as(lab, "tv") == wan)
        assert exit_address(lab, "laptop") == SE
        row.get_by_role("button", name="End now for tv").click()
        for each in (telly, page):
            state_is(each, "protected")
        wait_for("the TV to be behind the VPN again", lambda: seen_as(lab, "tv") == SE)
        body = {"device": LAN_HOSTS["tv"], "policy": "direct", "for": 8, "reason": "the match", "password": PASSWORD}
        assert lab.api("POST", "/api/exceptions", body)["success"]
        expect(row).to_contain_text("the match", timeout=SOON)
        expect(row).to_have_count(0, timeout=SOON)  # its time is over
        for each in (telly, page):
            state_is(each, "protected")
        assert exit_address(lab, "tv") == SE


GREEN = ".hero[data-state=protected], [data-tone=protected], .device[data-state=vpn]:not(.stale *)"
# The states that the hero has had, one after the other.
RECORD = """
globalThis.states = [];
const note = () => globalThis.states.push(document.querySelector(".hero")?.dataset.state);
new MutationObserver(note).observe(document.querySelector(".hero"), { attributes: true });
"""


@pytest.mark.parametrize(("process", "meanwhile"), [("web", ("waiting", "lost")), ("netd", ("unavailable",))])
def test_death_of_a_process_is_grey_and_never_stale(
    lab: Lab, browsers: dict[str, Browser], process: str, meanwhile: tuple[str, ...]
) -> None:
    with page_on(browsers["laptop"]) as page, page_on(browsers["tv"], size=PHONE) as telly:
        for each in (page, telly):
            state_is(each, "protected")
            each.evaluate(RECORD)
        lab.gateway.kill_app(process, restart=False)
        try:
            for each in (page, telly):
                expect(each.locator(".hero")).to_have_attribute(
                    "data-state", re.compile("|".join(("waiting", *meanwhile))), timeout=SOON
                )
                end = time.monotonic() + 5
                while time.monotonic() < end:
                    assert each.locator(GREEN).count() == 0
                expect(each.locator(".hero")).to_have_attribute("data-state", re.compile("|".join(meanwhile)))
            assert exit_address(lab, "laptop") == SE  # the rules of before hold
        finally:
            lab.gateway.release_app(process)
        for each in (page, telly):
            expect(each.locator(".hero")).to_have_attribute("data-state", "protected", timeout=60_000)
            passed = each.evaluate("globalThis.states")
            assert "protected" not in passed[:-1], passed
        page.get_by_role("button", name="Disconnect").click()  # it does what it did
        for each in (page, telly):
            state_is(each, "blocked")


def test_device_decides_for_itself_what_it_may_without_a_password(lab: Lab, browsers: dict[str, Browser]) -> None:
    connect(lab, "vpn-de", "second")
    allowed = {"allow": "all", "password": PASSWORD}
    assert lab.api("PUT", "/api/self-service", allowed)["success"]
    wan = wan_address(lab)
    try:
        with page_on(browsers["tv"], size=PHONE, owner=False) as telly:
            mine = telly.locator(".this-device")
            expect(telly.get_by_role("heading", name="Sign in")).to_be_visible()
            expect(mine.get_by_role("heading")).to_have_text(re.compile("leaves by"))
            mine.get_by_role("button", name="second").click()
            wait_for("the TV to leave by Berlin", lambda: seen_as(lab, "tv") == DE)
            mine.get_by_role("button", name="As the others").click()
            wait_for("the TV to leave by Stockholm", lambda: seen_as(lab, "tv") == SE)
            mine.get_by_role("button", name="Pause for 15 minutes").click()
            expect(mine.get_by_role("heading")).to_have_text("This device leaves without the VPN")
            wait_for("the TV to leave in the clear", lambda: seen_as(lab, "tv") == wan)
            mine.get_by_role("button", name="End the pause").click()
            wait_for("the TV to leave by Stockholm", lambda: seen_as(lab, "tv") == SE)
    finally:
        lab.api("PUT", "/api/self-service", {"allow": "off"})


def test_proof_shows_where_each_probe_was_seen(lab: Lab, browsers: dict[str, Browser]) -> None:
    with page_on(browsers["laptop"], "/protection") as page:
        card = page.get_by_role("region", name="Proof with real packets")
        card.get_by_role("button", name="Run the proof").click()
        expect(card.get_by_role("heading", name="Nothing leaves in the clear.")).to_be_visible(timeout=90_000)
        card.get_by_text("Where each probe was seen").click()
        assert card.locator("tbody tr").count() > 10
        expect(card.locator("tbody")).not_to_contain_text("a leak")
        with page.expect_download() as download:
            card.get_by_role("button", name="Keep as a file").click()
        kept = download.value.path().read_text()
        assert "WireGuard" in kept or "probes" in kept, kept[:2000]


def test_gateway_is_used_by_keyboard_alone(lab: Lab, browsers: dict[str, Browser]) -> None:
    with page_on(browsers["laptop"]) as page:
        state_is(page, "protected")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == "Disconnect":
                break
        page.keyboard.press("Enter")
        state_is(page, "blocked")
        assert seen_as(lab, "laptop") == ""
