"""The shell of the page: its places, addresses, keyboard, language, sign-in, and what it says while out of touch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from app.api.auth.credentials import COOKIE
from app.protocol.commands import Disconnect
from app.protocol.status import ExitState, ExitStatus
from ci.labnet.owner import PASSWORD, SESSION, own
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

PLACES = ["Home", "Devices", "Exits", "Protection", "Settings"]
BUDGET = 150_000  # bytes of the first page, compressed
UP = ExitStatus("default", ExitState.CONNECTED, "se-sto-wg-001", "mullvad", "Stockholm, Sweden", "192.0.2.1", since=1.0)


def test_places_have_addresses_and_back_works(page: Page, server: WebServer) -> None:
    places = page.get_by_role("navigation", name="Places")
    expect(places.get_by_role("link")).to_have_text(PLACES)
    loads: list[str] = []
    page.on("request", lambda request: loads.append(request.url) if request.is_navigation_request() else None)
    for name in ("Devices", "Protection"):
        places.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_focused()
        expect(page).to_have_title(f"{name} · VPN Gateway")
        expect(page).to_have_url(f"{server.url}/{name.lower()}")
        expect(places.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(page.get_by_role("heading", name="Devices", level=1)).to_be_focused()
    page.go_back()
    expect(page.locator(".hero .what")).to_be_visible()
    assert loads == []


@pytest.mark.parametrize("path", ["/devices", "/devices/02:00:00:00:00:01", "/exits/tv", "/servers", "/settings/about"])
def test_deep_link_opens_its_place(page: Page, server: WebServer, path: str) -> None:
    page.goto(server.url + path)
    here = page.get_by_role("navigation").locator("[aria-current=page]")
    expect(here).to_have_text("Exits" if path == "/servers" else path.split("/")[1].title())


def test_unknown_address_is_not_found(page: Page, server: WebServer) -> None:
    answer = page.goto(f"{server.url}/nothing")
    assert answer is not None
    assert answer.status == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/settings"])
def test_place_shuts_nobody_out(page: Page, server: WebServer, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(server.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_keyboard_alone_changes_a_device(page: Page) -> None:
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Devices")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Devices", level=1)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Groups")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search devices")).to_be_focused()
    page.keyboard.type("telly")
    expect(page.get_by_role("link", name="Telly")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Telly")).to_be_focused()
    page.keyboard.press("Tab")
    menu = page.get_by_label("Internet of Telly")
    expect(menu).to_be_focused()
    page.keyboard.type("Bl")
    expect(page.get_by_text("Telly is blocked.")).to_be_visible()
    expect(menu).to_have_value("blocked")


def test_netd_outage_turns_grey_until_it_returns(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    server.run(lambda: gateway.set_exit(UP))
    hero = page.locator(".hero")
    expect(hero).to_have_attribute("data-state", "protected")
    server.run(gateway.go_away)
    expect(hero).to_have_attribute("data-state", "unavailable")
    expect(page.locator("[data-tone=protected]")).to_have_count(0)
    gateway.away = False
    expect(hero).to_have_attribute("data-state", "protected")


def test_web_restart_turns_grey_and_live_again(browser: Browser, tmp_path: Path) -> None:
    own(tmp_path)
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    with WebServer(state_dir=tmp_path) as first:
        context.add_cookies([{"name": COOKIE, "value": SESSION, "url": first.url}])
        first.run(lambda: first.gateway.set_exit(UP))
        page.goto(first.url)
        expect(page.locator(".hero .what")).to_have_text("Protected")
        port = first.port
    expect(page.locator(".hero .what")).to_have_text("Gateway not reached")
    expect(page.locator(".hero")).to_contain_text("Last heard")
    expect(page.locator("[data-state=protected], [data-tone=protected]")).to_have_count(0)
    with WebServer(port, state_dir=tmp_path) as second:
        second.run(lambda: second.gateway.set_exit(UP))
        expect(page.locator(".hero .what")).to_have_text("Protected", timeout=20_000)
        second.run(lambda: second.gateway.set_exit(ExitStatus("default", ExitState.CONNECTING)))
        expect(page.locator(".hero .what")).to_have_text("Connecting")
    context.close()


def test_two_browsers_agree(browser: Browser, page: Page, server: WebServer, gateway: FakeGateway) -> None:
    context = browser.new_context(locale="de-DE")
    context.add_cookies([{"name": COOKIE, "value": SESSION, "url": server.url}])
    other = context.new_page()
    other.goto(server.url)
    expect(other.locator(".hero .what")).to_have_text("Gesperrt")
    server.run(lambda: gateway.set_exit(UP))
    expect(page.locator(".hero .what")).to_have_text("Protected")
    expect(other.locator(".hero .what")).to_have_text("Geschützt")
    expect(other.locator("html")).to_have_attribute("lang", "de")
    other.get_by_role("button", name="Trennen").click()
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    context.close()


def test_sign_in_opens_the_page(browser: Browser, server: WebServer) -> None:
    context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{server.url}/devices")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("heading", name="This device")).to_be_visible()  # each may know of itself
    expect(page.get_by_role("navigation")).to_have_count(0)
    assert barriers(page) == []
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="The password is wrong.")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Devices", level=1)).to_be_visible()
    expect(page.get_by_text("Telly")).to_be_visible()
    context.close()


def test_missing_password_is_told_on_every_view(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    with WebServer(state_dir=tmp_path) as server:
        for path in ("/", "/devices", "/settings"):
            page.goto(server.url + path)
            expect(page.get_by_role("note")).to_contain_text("has no password")
    context.close()


def test_request_from_another_site_is_refused(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    """A real browser on another origin: the request arrives, and is refused."""
    other = page.context.new_page()
    other.goto(server.url.replace("127.0.0.1", "localhost"))
    outcome = other.evaluate(
        """async (url) => {
            try {
                const answer = await fetch(url + "/api/disconnect", {method: "POST", mode: "no-cors"});
                return answer.type;
            } catch (error) { return "blocked"; }
        }""",
        server.url,
    )
    assert outcome in {"opaque", "blocked"}
    assert [each for each in gateway.commands if isinstance(each, Disconnect)] == []


def test_first_page_is_small(browser: Browser, server: WebServer) -> None:
    context = browser.new_context()
    context.add_cookies([{"name": COOKIE, "value": SESSION, "url": server.url}])
    page = context.new_page()
    sizes: dict[str, int] = {}

    def measure(response: Response) -> None:
        sizes[response.url] = response.request.sizes()["responseBodySize"]  # as sent: compressed

    page.on("response", measure)
    page.goto(server.url)
    page.wait_for_selector(".hero .what")
    page.wait_for_load_state("networkidle")
    own_files = {url: size for url, size in sizes.items() if "/api/" not in url}
    assert sum(own_files.values()) < BUDGET, json.dumps(own_files, indent=1)
    later = ("/uplot.js", "/qr/", "/views/settings/", "/views/servers/", "/messages/de")
    assert not [url for url in own_files if any(part in url for part in later)]
    context.close()


def test_view_that_does_not_come_is_fetched_with_the_whole_page(page: Page, server: WebServer) -> None:
    """After an update the gateway has other modules than those of a page that was open before it."""
    page.route("**/views/settings/settings.js", lambda route: route.fulfill(status=404))
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_text("could not be read")).to_be_visible()
    page.unroute("**/views/settings/settings.js")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="Accounts at providers")).to_be_visible()
    expect(page).to_have_url(f"{server.url}/settings")
