"""The first run: password, provider or file, server, proof, done; each can be skipped, and none opens anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from app.protocol.answers import Opening
from app.protocol.commands import Connect, ImportConfig, LeakTest, RestoreBackup, SetDevicePolicy, StartException
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

PASSWORD = "four words do well"
CONF = b"[Interface]\nPrivateKey = x\n[Peer]\nEndpoint = se1.mullvad.net:51820\n"
STEPS = ["/welcome", "/welcome/provider", "/welcome/server", "/welcome/proof", "/welcome/done"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    """A gateway without an owner."""
    with WebServer(state_dir=tmp_path) as running:
        yield running


def set_password(page: Page) -> None:
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("The password is set.")).to_be_visible()


def test_new_gateway_leads_through_all_steps(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page).to_have_url(f"{server.url}/welcome")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill("another")
    page.keyboard.press("Enter")
    expect(page.get_by_label("The same again")).to_be_focused()
    expect(page.get_by_text("The two do not agree.")).to_be_visible()
    set_password(page)
    expect(page.get_by_role("note")).to_have_count(0)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", name="Where your VPN comes from")).to_be_focused()
    page.get_by_label("Account number").fill("1111")
    page.get_by_role("button", name="Sign in at Mullvad").click()
    expect(page.get_by_text("The provider does not accept this.")).to_be_visible()
    page.get_by_label("Account number").fill("1234123412341234")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Signed in at Mullvad.")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_label("Leave by").get_by_role("option")).to_have_text(["Fastest", "Germany", "Sweden"])
    page.get_by_role("link", name="Skip this step").click()
    page.get_by_role("button", name="Run the proof").click()
    expect(page.get_by_text("Nothing leaves in the clear")).to_be_visible()
    expect(page.get_by_text("1 packet was sent as a device would")).to_be_visible()
    assert any(isinstance(each, LeakTest) for each in gateway.commands)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Nothing is connected yet, so no device has Internet.")).to_be_visible()
    page.get_by_role("link", name="To the start").click()
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    page.goto(server.url)
    expect(page.locator(".hero .what")).to_have_text("Blocked")  # it comes no more by itself
    assert not [each for each in gateway.commands if isinstance(each, SetDevicePolicy | StartException)]


def test_every_step_can_be_skipped_by_keyboard_and_back_works(page: Page, server: WebServer) -> None:
    for path in STEPS[:-1]:
        expect(page).to_have_url(server.url + path)
        if path != STEPS[0]:
            expect(page.get_by_role("heading", level=1)).to_be_focused()  # which a new view does after it is shown
        page.get_by_role("link", name="Skip this step").press("Enter")
    expect(page).to_have_url(server.url + STEPS[-1])
    expect(page.get_by_role("heading", name="That is all")).to_be_focused()
    expect(page.get_by_text("No password: everybody in the network")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Do not believe it: try it")).to_be_focused()


def test_every_view_says_what_no_password_means(page: Page, server: WebServer) -> None:
    for path in ("/welcome/done", "/", "/devices", "/exits", "/protection", "/settings"):
        page.goto(server.url + path)
        note = page.get_by_role("note")
        expect(note).to_contain_text("everybody in its network can connect, disconnect and add servers")
        expect(note).to_contain_text("It can be set for another 1 day")


def test_closed_window_says_how_to_open_it(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    with WebServer(state_dir=tmp_path, window=0.0) as running:
        page.goto(f"{running.url}/welcome")
        expect(page.get_by_role("note")).to_contain_text("switch the gateway off and on")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text="Switch the gateway off and on")).to_be_visible()
    context.close()


def test_file_is_enough_and_its_key_opens_the_list(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    set_password(page)
    page.goto(f"{server.url}/welcome/provider")
    files: list[FilePayload] = [
        {"name": "se-mul.conf", "mimeType": "text/plain", "buffer": CONF},
        {"name": "notes.conf", "mimeType": "text/plain", "buffer": b"hello"},
    ]
    page.get_by_label("Drop files here, or choose them").set_input_files(files)
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text(re.compile("Line 1: expected"))
    found.get_by_role("button", name="Add 1 server").click()
    expect(page.get_by_role("region", name="Added just now")).to_contain_text("se-mul")
    kept = [each for each in gateway.commands if isinstance(each, ImportConfig) and not each.dry_run]
    assert [each.name for each in kept] == ["se-mul.conf"]
    page.get_by_role("button", name="Use it for all of Mullvad").click()
    expect(page.get_by_text("Signed in at Mullvad.")).to_be_visible()


def test_server_is_connected(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    gateway.servers = [each for each in gateway.servers if each.hostname == "se-sto-wg-001"]
    page.goto(f"{server.url}/welcome/server")
    page.get_by_label("Leave by").select_option("Sweden")
    page.route("**/api/connect", lambda route: route.continue_(post_data='{"server": "se-sto-wg-001"}'))
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("Connected: Stockholm, Sweden")).to_be_visible()
    expect(page.get_by_role("link", name="Next")).to_be_visible()
    assert any(isinstance(each, Connect) for each in gateway.commands)


def test_backup_is_looked_at_and_opens_only_what_is_ticked(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    page.get_by_role("link", name="Restore a backup instead").click()
    expect(page.get_by_text("Set a password first")).to_be_visible()
    page.get_by_role("link", name="Back to the steps").click()
    set_password(page)
    page.get_by_role("link", name="Restore a backup instead").click()
    gateway.opens = (Opening("direct", "devices that leave in the clear: TV"),)
    page.get_by_label("Passphrase of the backup").fill("a long passphrase")
    page.get_by_role("button", name="Look what is in it").click()
    expect(page.get_by_role("alert").filter(has_text="Choose a file first.")).to_be_visible()
    page.get_by_label("Backup file").set_input_files({"name": "a.age", "mimeType": "", "buffer": b"age"})
    page.get_by_role("button", name="Look what is in it").click()
    expect(page.get_by_text("Servers: 2; devices: 1")).to_be_visible()
    expect(page.get_by_label("Some devices leave without the VPN.")).not_to_be_checked()
    page.get_by_role("button", name="Restore this").click()
    page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Restored. The gateway starts anew")).to_be_visible()
    made = [each for each in gateway.commands if isinstance(each, RestoreBackup) and not each.dry_run]
    assert [each.accept for each in made] == [()]


def test_settings_lead_to_it_again(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/settings")
    page.get_by_role("main").get_by_role("link", name="First steps").click()
    expect(page.get_by_role("heading", name="Welcome. First a password")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_first_run_shuts_nobody_out(page: Page, server: WebServer, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    for path in [*STEPS, "/welcome/restore"]:
        page.goto(server.url + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert barriers(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width
