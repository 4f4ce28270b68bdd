"""Chromium on the real page, served by the real web application in front of a fake gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.api.auth.credentials import COOKIE
from ci.labnet.owner import SESSION, own
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

CHROMIUM = Path(__file__).parents[2] / ".cache" / "chromium"  # ci/setup links it to what the distribution has
ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=15_000)  # milliseconds: the timeout of a context is not that of what is expected


@pytest.fixture(scope="module")  # no wider: while open it owns this thread's event loop, and async tests fail
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    """A gateway with an owner, who is signed in on the page."""
    own(tmp_path)
    with WebServer(state_dir=tmp_path) as running:
        yield running


@pytest.fixture
def gateway(server: WebServer) -> FakeGateway:
    return server.gateway


@pytest.fixture
def console_errors() -> list[str]:
    """Errors on the console: script errors and violations of the content security policy."""
    return []


@pytest.fixture
def address() -> str:
    """The path that ``page`` opens."""
    return "/"


@pytest.fixture
def page(browser: Browser, server: WebServer, console_errors: list[str], address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(10_000)
    context.add_cookies([{"name": COOKIE, "value": SESSION, "url": server.url}])
    page = context.new_page()
    page.on("pageerror", lambda error: console_errors.append(str(error)))
    # Chromium reports every response of 400 and above as an error of the page; the tests cause those on purpose.
    page.on(
        "console",
        lambda message: (
            console_errors.append(message.text)
            if message.type in {"error", "warning"} and "Failed to load resource" not in message.text
            else None
        ),
    )
    page.goto(server.url + address)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert console_errors == []
