"""Debian's Chromium on hosts of the lab's LAN, driven from outside: only its network is the host's."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from app.api.auth.credentials import COOKIE
from ci.labnet import Lab
from ci.labnet.addresses import GATEWAY_LAN4
from ci.labnet.host import NETNS
from ci.labnet.owner import SESSION

CHROMIUM = Path(__file__).parents[2] / ".cache" / "chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
URL = f"http://{GATEWAY_LAN4}:5000"
# Answers of 400 and above, which tests cause; what is asked for while web is down.
KNOWN = ("Failed to load resource", "WebSocket connection")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

expect.set_options(timeout=20_000)  # milliseconds: the timeout of a context is not that of what is expected


@contextlib.contextmanager
def browser_on(lab: Lab, host: str, playwright: Playwright) -> Generator[Browser]:
    """A browser whose packets are those of ``host``."""
    program = lab.directory / f"chromium-{host}"
    namespace = NETNS / lab.hosts[host].namespace
    program.write_text(f'#!/bin/sh\nexec nsenter --net={namespace} -- {CHROMIUM} "$@"\n')
    program.chmod(0o700)
    browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def page_on(browser: Browser, path: str = "/", *, size: dict[str, int] = DESK, owner: bool = True) -> Generator[Page]:
    """The page, with its owner signed in; an error on its console fails the test."""
    context: BrowserContext = browser.new_context(viewport=size, locale="en-GB")  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    if owner:
        context.add_cookies([{"name": COOKIE, "value": SESSION, "url": URL}])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            if message.type in {"error", "warning"} and not any(known in message.text for known in KNOWN)
            else None
        ),
    )
    page.goto(URL + path)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert errors == [], errors
