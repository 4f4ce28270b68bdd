"""Who may use the page, with the rate limits of production: the first password, signing in and out, codes, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from app.api.limits import Rates
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"


@pytest.fixture
def address() -> str:
    return "/settings/password"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    """A gateway without a password, and with the rate limits of production, which the page must not exceed."""
    with WebServer(rates=Rates(), state_dir=tmp_path) as running:
        yield running


@pytest.fixture
def page(page: Page, console_errors: list[str]) -> Iterator[Page]:
    yield page
    # Chromium reports each refused WebSocket, and here the gateway refuses them on purpose.
    console_errors[:] = [c for c in console_errors if "WebSocket connection" not in c or "401" not in c]


def set_password(page: Page) -> None:
    expect(page.get_by_role("note")).to_contain_text("has no password")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("The new password again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("note")).to_have_count(0)


def sign_in(page: Page, password: str = PASSWORD, code: str | None = None) -> None:
    page.get_by_label("Password").fill(password)
    if code is not None:
        page.get_by_label(re.compile("^Code")).fill(code)
    page.get_by_role("button", name="Sign in").click()


def test_first_password_signs_out_other_browsers(
    page: Page, browser: Browser, server: WebServer, gateway: FakeGateway
) -> None:
    context = browser.new_context(locale="en-GB")
    other = context.new_page()
    other.goto(f"{server.url}/devices")
    expect(other.get_by_role("heading", name="Devices", level=1)).to_be_visible()

    set_password(page)
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(other.get_by_role("navigation")).to_have_count(0)
    sign_in(other, "not the password")
    expect(other.get_by_text("The password is wrong.")).to_be_visible()
    sign_in(other)
    expect(other.get_by_role("heading", name="Devices", level=1)).to_be_visible()
    other.get_by_role("link", name="Home").click()
    other.get_by_role("button", name="Connect", exact=True).click()
    expect(other.locator(".hero .what")).to_have_text("Protected")

    # The browser that set the password stays signed in, and sees what the other one does.
    page.get_by_role("link", name="Home").click()
    expect(page.locator(".hero .what")).to_have_text("Protected")
    assert page.evaluate("document.cookie") == ""  # no script can read it
    context.close()


def test_sign_out_then_reload_asks_for_the_password(page: Page, server: WebServer) -> None:
    set_password(page)
    page.goto(f"{server.url}/settings/sessions")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{server.url}/settings/sessions")
    sign_in(page)
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row")).to_contain_text("This browser")


def test_password_error_is_shown_at_its_field(page: Page) -> None:
    new, again = page.get_by_label("New password", exact=True), page.get_by_label("The new password again")
    new.fill("short")
    again.fill("shor")
    submit = page.get_by_role("button", name="Set the password")
    submit.click()
    expect(page.get_by_text("The two are not the same.")).to_be_visible()
    expect(again).to_be_focused()
    again.fill("short")
    submit.click()
    expect(new).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text(re.compile("10 characters")).first).to_be_visible()


def test_second_factor_takes_a_code_or_a_recovery_code(page: Page, server: WebServer) -> None:
    set_password(page)
    card = page.locator(".card").filter(has_text="Second factor")
    card.get_by_label("Your password").fill(PASSWORD)
    card.get_by_role("button", name="Set it up").click()
    app = pyotp.TOTP(card.locator("code").inner_text().replace(" ", ""))
    card.get_by_label("Code of your authenticator app").fill("000000")
    card.get_by_role("button", name="Turn it on").click()
    expect(card.get_by_text("code is wrong")).to_be_visible()
    card.get_by_label("Code of your authenticator app").fill(app.now())
    card.get_by_role("button", name="Turn it on").click()
    codes = card.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    card.get_by_role("button", name="I have kept them").click()
    page.goto(f"{server.url}/settings/sessions")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, code="123456")
    expect(page.get_by_text("The password or the code is wrong.")).to_be_visible()
    sign_in(page, code=recovery)
    expect(page.get_by_role("heading", name="Signed in", level=1)).to_be_visible()


def test_api_key_works_until_it_is_revoked(page: Page, server: WebServer) -> None:
    set_password(page)
    page.goto(f"{server.url}/settings/keys")
    page.get_by_label("Name").fill("Grafana")
    page.get_by_label("May").select_option("connect")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    key = page.get_by_role("list", name="The new key").inner_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{server.url}/api/status", headers=headers, timeout=10).status_code == 200
    assert requests.get(f"{server.url}/api/auth/keys", headers=headers, timeout=10).status_code == 403
    page.get_by_role("button", name="I have kept it").click()
    expect(page.locator(".row").filter(has_text="Grafana")).to_contain_text("until")
    page.get_by_role("button", name="Revoke Grafana").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator(".row").filter(has_text="Grafana")).to_have_count(0)
    assert requests.get(f"{server.url}/api/status", headers=headers, timeout=10).status_code == 401
