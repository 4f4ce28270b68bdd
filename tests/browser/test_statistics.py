"""The page's traffic, history and support file, and its event stream, which resumes without a gap."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from app.api.hub import Closing
from app.protocol.events import SecurityAlert, TrafficRates
from app.protocol.statistics import Bytes, Transition
from app.protocol.status import ExitState, ExitStatus
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser


@pytest.fixture
def address() -> str:
    return "/classic"


PHONE = "02:00:00:00:00:02"


def test_rates_follow_the_traffic_events(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator(".mover").first).to_contain_text("phone")
    expect(page.locator(".mover .sum").first).to_have_text("90 kB / 1.0 kB")
    expect(page.locator("#chart-text")).to_have_text("Last hour: 90 kB received, 1.1 kB sent; at most 90 kB a minute")
    total, phone = Bytes(up=81_000, down=2_340_000), Bytes(up=500_000, down=1_500_000)
    rates = TrafficRates(1.0, 5.0, total, {PHONE: phone})
    server.run(lambda: gateway.tell_rates(rates))
    expect(page.locator("#rate-down")).to_have_text("2.3 MB/s")
    expect(page.locator("#rate-up")).to_have_text("81 kB/s")
    expect(page.locator(".mover .now").first).to_have_text("2.0 MB/s")


def test_history_grows_live_and_by_pages(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator(".move")).to_have_count(8)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".move")).to_have_count(32)
    gateway.records.history.insert(
        0,
        Transition(
            id=251,
            time=1_700_000_300.0,
            exit="second",
            before="connected",
            after="blocked",
            cause="tunnel_dead",
            server="<b>vpn</b>",
            duration=3700.0,
            up=10,
            down=2_000_000,
        ),
    )
    server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING, server="x")))
    first = page.locator(".move").first
    expect(first).to_contain_text("Blocked <b>vpn</b> (second)")
    expect(first).to_contain_text("the server stopped answering · after 1h 1m · 2.0 MB / 10 B")
    expect(page.get_by_role("link", name="CSV")).to_have_attribute("href", "/api/history.csv")


def test_support_file_is_downloaded_by_its_link(page: Page) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Support file").click()
    assert re.fullmatch(r"vpn-gateway-support-\d{4}-\d\d-\d\d\.txt", waiting.value.suggested_filename)
    assert waiting.value.path().read_text() == "VPN Gateway: support file\n"


def test_alert_during_a_stream_outage_is_shown_once(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator("#link")).to_have_text("Live")

    def cut_and_alert() -> None:
        for listener in list(server.hub._listeners):
            server.hub.leave(listener)
            listener.close(Closing(1001, "cut"))
        gateway.publish(SecurityAlert("drift", "a rule was removed"))

    server.run(cut_and_alert)
    expect(page.locator("#link")).to_have_text("Reconnecting")
    expect(page.get_by_text("Security: a rule was removed")).to_have_count(1)
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.get_by_text("Security: a rule was removed")).to_have_count(1)
