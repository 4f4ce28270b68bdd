"""A person's browser on a host of the LAN: ``python -m tests.lab.browser_proof URL`` prints the proof's report."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = Path(__file__).parents[2] / ".cache" / "chromium"
ARGUMENTS = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(sys.argv[1])
        page.wait_for_selector("html[data-ready]")
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector("#results:not([hidden])", timeout=60_000)
        print(page.locator("#proof").get_attribute("data-state"))
        print(page.locator("#report").text_content())
        browser.close()


if __name__ == "__main__":
    main()
