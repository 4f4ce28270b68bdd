"""The first run on a real gateway that nobody owns yet: password, file, server, proof, and the laptop is protected."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, expect, sync_playwright

from ci.labnet import Lab
from ci.labnet.addresses import VPN_PORT, VPNS
from tests.lab.page_browser import PHONE, URL, browser_on, page_on
from tests.lab.ways import exit_address, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PASSWORD = "four words do well"


def conf(lab: Lab, name: str) -> str:
    """The file that the provider of a server of the lab would give."""
    v4, _, inner4, inner6, _ = VPNS[name]
    pair = lab.vpn.keys(name)
    return (
        f"[Interface]\nPrivateKey = {pair['client_private_key']}\nAddress = {inner4}.2/32, {inner6}::2/128\n"
        f"DNS = {inner4}.1\n\n[Peer]\nPublicKey = {pair['public_key']}\nAllowedIPs = 0.0.0.0/0, ::/0\n"
        f"Endpoint = {v4}:{VPN_PORT}\n"
    )


def test_new_gateway_is_led_to_a_proven_tunnel(lab: Lab) -> None:
    assert seen_as(lab, "laptop") == ""
    with (
        sync_playwright() as playwright,
        browser_on(lab, "laptop", playwright) as browser,
        page_on(browser, size=PHONE, owner=False) as page,
    ):
        expect(page).to_have_url(f"{URL}/welcome")
        expect(page.get_by_role("note")).to_contain_text("has no password")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Set the password").click()
        expect(page.get_by_text("The password is set.")).to_be_visible()
        expect(page.get_by_role("note")).to_have_count(0)
        page.get_by_role("link", name="Next").click()

        file: FilePayload = {"name": "berlin.conf", "mimeType": "text/plain", "buffer": conf(lab, "vpn-de").encode()}
        page.get_by_label("Drop files here, or choose them").set_input_files([file])
        page.get_by_role("region", name="What was found").get_by_role("button", name="Add 1 server").click()
        expect(page.get_by_role("region", name="Added just now")).to_contain_text("berlin")
        page.get_by_role("link", name="Next").click()

        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_text("Connected:")).to_be_visible(timeout=60_000)
        page.get_by_role("link", name="Next").click()

        page.get_by_role("button", name="Run the proof").click()
        expect(page.get_by_text("Nothing leaves in the clear")).to_be_visible(timeout=90_000)
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_role("heading", name="That is all")).to_be_visible()
        page.get_by_role("link", name="To the start").click()
        expect(page.locator(".hero")).to_have_attribute("data-state", "protected", timeout=20_000)
        assert exit_address(lab, "laptop") in {server[0] for server in VPNS.values()}
