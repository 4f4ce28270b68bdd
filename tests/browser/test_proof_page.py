"""The page of the proof sends what it is told to send, without a password, and tells what was seen."""

from __future__ import annotations

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from app.protocol.canary import Evidence
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer


def start(page: Page, server: WebServer) -> list[str]:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{server.url}/proof")
    page.wait_for_selector("html[data-ready]")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#results")).to_be_visible()
    return requested


def test_probes_are_sent_and_nothing_else(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    requested = start(page, server)
    outside = {url for url in requested if not url.startswith(server.url)}
    assert outside == {"http://p0.proof.example/", "http://192.0.2.101/"}
    expect(page.locator("#proof")).to_have_attribute("data-state", "proven")
    expect(page.get_by_role("heading", name="Nothing of this device leaves in the clear")).to_be_visible()
    expect(page.locator("#rows tr")).to_have_count(3)
    expect(page.locator("#rows")).to_contain_text("WebRTC (STUN), as calls use it, IPv6")
    page.get_by_text("As text, to keep").click()
    expect(page.locator("#report")).to_contain_text("VPN Gateway: proof from a browser")


def test_the_main_page_leads_to_it(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/protection")
    page.get_by_role("link", name="Prove it from this device").click()
    expect(page).to_have_url(f"{server.url}/proof")
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_a_leak_and_a_device_elsewhere_are_told(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    gateway.evidence = (Evidence("http", 4, True, False, True), Evidence("name", 4, None, False, False))
    start(page, server)
    expect(page.locator("#proof")).to_have_attribute("data-state", "leak")
    expect(page.locator("#rows")).to_contain_text("seen: a leak")
    gateway.evidence = (Evidence("http", 4, False, False, False),)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#proof")).to_have_attribute("data-state", "unclear")
    expect(page.locator("#explain")).to_contain_text("mobile data")


def test_it_needs_no_password_and_fits_a_phone(browser: Browser, server: WebServer, gateway: FakeGateway) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    start(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    gateway.proof = msgspec.structs.replace(gateway.proof, problem="the process that watches packets is gone")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#explain")).to_contain_text("watches packets is gone")
    context.close()


def test_it_is_kept_as_a_file(page: Page, server: WebServer) -> None:
    start(page, server)
    with page.expect_download() as kept:
        page.get_by_role("button", name="Keep as a file").click()
    assert kept.value.suggested_filename.startswith("proof-")
    text = kept.value.path().read_text()
    assert text.startswith("VPN Gateway: proof from a browser")
    assert "Nothing of this device leaves in the clear" in text


def test_it_speaks_german(browser: Browser, server: WebServer) -> None:
    context = browser.new_context(locale="de-AT")
    page = context.new_page()
    page.goto(f"{server.url}/proof")
    expect(page.get_by_role("heading", name="Beweis von diesem Gerät aus")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_role("button", name="Los").click()
    expect(page.get_by_role("heading", name="Nichts von diesem Gerät geht unverschlüsselt hinaus")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_shuts_nobody_out(page: Page, server: WebServer, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{server.url}/proof")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert barriers(page) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
