"""The security and sign-in dialogs of the page: password, two-step sign-in, API keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from app.api.limits import Rates
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser


@pytest.fixture
def address() -> str:
    return "/classic"


PASSWORD = "correct horse battery"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    """The server with the rate limits of production, which the page must not exceed."""
    with WebServer(rates=Rates(), state_dir=tmp_path) as running:
        yield running


@pytest.fixture
def page(page: Page, console_errors: list[str]) -> Iterator[Page]:
    yield page
    # Chromium reports each refused WebSocket, and here the gateway refuses them on purpose.
    console_errors[:] = [c for c in console_errors if "WebSocket connection" not in c or "401" not in c]


def set_password(page: Page) -> None:
    expect(page.locator("#unowned")).to_contain_text("This gateway has no password")
    page.get_by_role("button", name="Set a password").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("dialog").get_by_role("button", name="Set password").click()
    expect(page.get_by_text("You are signed in on this device.")).to_be_visible()


def sign_in(page: Page, password: str = PASSWORD, code: str | None = None) -> None:
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Password").fill(password)
    if code is not None:
        dialog.get_by_label("Code").fill(code)
    dialog.get_by_role("button", name="Sign in").click()


def open_part(page: Page, name: str) -> None:
    page.locator(".access-part summary", has_text=name).click()


def test_set_password_signs_out_other_browsers(page: Page, browser: Browser, server: WebServer) -> None:
    context = browser.new_context()
    other = context.new_page()
    other.set_default_timeout(10_000)
    other.goto(f"{server.url}/classic")
    expect(other.locator("#link")).to_have_text("Live")

    set_password(page)
    expect(other.get_by_role("dialog", name="Sign in")).to_be_visible()
    expect(other.locator("#status")).to_be_hidden()
    other.keyboard.press("Escape")
    expect(other.get_by_role("dialog", name="Sign in")).to_be_visible()

    sign_in(other, "not the password")
    expect(other.get_by_text("The password is wrong.")).to_be_visible()
    expect(other.get_by_role("textbox", name="Password")).to_be_focused()
    sign_in(other)
    expect(other.locator("#link")).to_have_text("Live")
    other.get_by_role("button", name="Connect to se-sto-wg-001").click()
    expect(other.locator("#state")).to_have_text("Connected")

    # The browser that set the password stays signed in, and sees what the other one does.
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#state")).to_have_text("Connected")
    expect(page.locator("#link")).to_have_text("Live")
    assert page.evaluate("document.cookie") == ""  # no script can read it
    context.close()


def test_sign_out_then_reload_asks_for_the_password(page: Page, server: WebServer) -> None:
    set_password(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    page.goto(f"{server.url}/classic")
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    expect(page.locator("#status")).to_be_hidden()
    sign_in(page)
    expect(page.locator("#state")).to_have_text("Disconnected")
    page.get_by_role("button", name="Security").click()
    open_part(page, "Signed in")
    expect(page.locator(".access-list .name")).to_have_text(["This device"])


def test_password_error_is_shown_at_its_field(page: Page) -> None:
    page.get_by_role("button", name="Set a password").click()
    page.get_by_label("New password").fill("short")
    page.get_by_label("Repeat password").fill("shor")
    submit = page.get_by_role("dialog").get_by_role("button", name="Set password")
    submit.click()
    expect(page.get_by_text("The passwords differ.")).to_be_visible()
    expect(page.get_by_label("Repeat password")).to_be_focused()
    page.get_by_label("Repeat password").fill("short")
    submit.click()
    expect(page.get_by_text("At least 10 characters")).to_be_visible()
    expect(page.get_by_label("New password")).to_have_attribute("aria-invalid", "true")


def test_two_step_sign_in_takes_a_code_or_a_recovery_code(page: Page) -> None:
    set_password(page)
    open_part(page, "Two-step sign-in")
    page.get_by_role("textbox", name="Your password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_alt_text("QR code")).to_be_visible()
    assert page.get_by_alt_text("QR code").evaluate("image => image.complete && image.naturalWidth > 100")
    phone = pyotp.TOTP(page.locator(".secret").inner_text().replace(" ", ""))
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_text("The code is wrong")).to_be_visible()
    page.get_by_label("Code").fill(phone.now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".recovery li")).to_have_count(10)
    recovery = page.locator(".recovery li").first.inner_text()
    page.get_by_role("button", name="I have saved them").click()
    expect(page.locator(".access-part summary", has_text="Two-step sign-in")).to_contain_text("On")
    expect(page.locator(".recovery")).to_have_count(0)
    assert recovery not in page.content()

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, code="123456")
    expect(page.get_by_text("The password or the code is wrong.")).to_be_visible()
    sign_in(page, code=recovery)
    expect(page.locator("#state")).to_have_text("Disconnected")


def test_api_key_works_until_it_is_revoked(page: Page, server: WebServer) -> None:
    set_password(page)
    open_part(page, "API keys")
    page.get_by_label("Name of a new key").fill("Grafana")
    page.get_by_label("Allowed to").select_option("Read and connect")
    page.locator(".key-form").get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create key").click()
    headers = {"Authorization": f"Bearer {page.locator('.secret').inner_text()}"}
    assert requests.get(f"{server.url}/api/status", headers=headers, timeout=10).status_code == 200
    assert requests.get(f"{server.url}/api/auth/keys", headers=headers, timeout=10).status_code == 403
    page.get_by_role("button", name="Done").click()
    open_part(page, "API keys")
    expect(page.locator(".access-part[open] .access-list .sub")).to_contain_text("Read and connect · until")
    page.get_by_role("button", name="Revoke Grafana").click()
    expect(page.get_by_text("Grafana was revoked.")).to_be_visible()
    expect(page.locator(".access-part[open] .access-list li")).to_have_count(0)
    assert requests.get(f"{server.url}/api/status", headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize("width", [320, 390])
def test_security_dialog_fits_a_phone(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    set_password(page)
    for part in ("Password", "Two-step sign-in", "API keys", "Signed in"):
        open_part(page, part)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("dialog.access").evaluate("e => e.scrollWidth <= e.clientWidth")
    page.get_by_role("button", name="Sign out").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("e => e.scrollWidth <= e.clientWidth")
