"""The API's page is complete, can send requests, and contacts only the gateway."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.web_server import WebServer


def test_api_page_shows_every_operation_and_sends_requests(page: Page, server: WebServer) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{server.url}/api/docs")
    operations = page.locator(".operation")
    expect(operations.first).to_be_visible()
    described = page.request.get(f"{server.url}/api/openapi.json").json()["paths"]
    expect(operations).to_have_count(sum(len(methods) for methods in described.values()))

    page.get_by_label("Find").fill("/api/custom")
    expect(page.locator(".operation:visible")).to_have_count(2)
    page.locator("#add_custom_server > summary").click()
    body = page.locator("#add_custom_server")
    expect(body.get_by_text("private_key", exact=True)).to_be_visible()
    expect(body.get_by_text('"name": "my-vps"')).to_be_visible()

    page.get_by_label("Find").fill("")
    page.locator("#list_servers > summary").click()
    page.locator("#list_servers").get_by_label("provider", exact=True).fill("custom")
    page.locator("#list_servers").get_by_role("button", name="Send").click()
    expect(page.locator("#list_servers .answer")).to_contain_text("vpn-se")
    assert requested
    assert all(url.startswith(server.url) for url in requested)


def test_api_page_fits_a_phone(page: Page, server: WebServer) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{server.url}/api/docs#status")
    expect(page.locator("#status .try")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
