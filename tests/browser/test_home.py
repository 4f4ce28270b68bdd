"""Home: the state in one look, this device, what is open, and a change of server."""

from __future__ import annotations

import re
import time

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from app.api.auth.credentials import COOKIE
from app.api.hub import Closing
from app.errors import ConflictError, ConnectTimeoutError
from app.model import DirectPolicy, PolicyException, SelfService, WanChoice
from app.protocol.commands import ChangeException, Disconnect, EndException, StartException
from app.protocol.events import ExceptionStarted, SecurityAlert, StatusChanged, TrafficRates
from app.protocol.explanations import Pause
from app.protocol.statistics import Bytes
from app.protocol.status import Attestation, ExitState, ExitStatus
from ci.labnet.owner import PASSWORD, SESSION
from ci.labnet.waiting import wait_for
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.held_requests import HeldRequests
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

PHONE, TV = "02:00:00:00:00:02", "02:00:00:00:00:01"
UP = ExitStatus("default", ExitState.CONNECTED, "se-sto-wg-001", "mullvad", "Stockholm, Sweden", "192.0.2.1", since=1.0)

# Notes whether a moment comes at which nothing is shown as protected: the page is back within half a second.
NOTE_GREY = """() => {
  const look = () => {
    if (document.querySelector("[data-tone=protected], [data-state=protected]")) return;
    document.documentElement.dataset.wasGrey = "yes";
  };
  new MutationObserver(look).observe(document.documentElement, {
    subtree: true, childList: true, attributeFilter: ["data-tone", "data-state"],
  });
}"""


def connect(server: WebServer, gateway: FakeGateway) -> None:
    server.run(lambda: gateway.set_exit(UP))


def let_out(server: WebServer, gateway: FakeGateway, seconds: float = 600.0) -> None:
    now = time.time()
    made = PolicyException(1, 1, DirectPolicy(), now, now + seconds, seconds, "admin", TV, None, "the match")
    gateway.state = msgspec.structs.replace(gateway.state, exceptions=(made,))
    event = ExceptionStarted(1, TV, None, "direct", now + seconds, "admin", "the match")
    server.run(lambda: gateway.publish(event))


def test_state_says_what_why_and_what_next(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    what, why, following = (page.locator(f".hero .{name}") for name in ("what", "why", "next"))
    expect(what).to_have_text("Blocked")
    expect(why).to_have_text("You have disconnected: no device reaches the Internet.")
    expect(following).to_have_text("Connect when you like.")
    connect(server, gateway)
    expect(what).to_have_text("Protected")
    expect(page.locator(".facts")).to_contain_text("Stockholm, Sweden")
    expect(page.locator(".facts")).to_contain_text("192.0.2.1")
    blocked = ExitStatus(
        "default", ExitState.BLOCKED, reason="handshake_timeout", message="vpn-se does not answer", retry_in=30
    )
    server.run(lambda: gateway.set_exit(blocked))
    expect(what).to_have_text("Blocked")
    expect(why).to_have_text("The server does not answer. Nothing leaves in the clear meanwhile; choose another one.")
    expect(following).to_have_text(re.compile(r"Trying again in (30|2\d) sec"))
    server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING)))
    expect(what).to_have_text("Connecting")


def test_unknown_wan_leads_to_the_ports(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    hero = page.locator(".hero")
    server.run(gateway.lose_wan)
    expect(hero).to_contain_text("It is not known which port leads to the Internet")
    hero.get_by_role("link", name="Choose the Internet port").click()
    expect(page.get_by_role("button", name="Use eth1 to the Internet")).to_be_visible()
    page.go_back()
    gateway.state = msgspec.structs.replace(gateway.state, wan_choice=WanChoice("usb-1.7", "network.wan"))
    server.run(gateway.lose_wan)
    expect(hero).to_contain_text("It is not known which port leads to the Internet")
    expect(hero.get_by_role("link")).to_have_count(0)  # the card of the operating system has fixed it


def test_unusable_settings_are_told(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    problems = page.get_by_role("region", name="Some settings cannot be used")
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    expect(problems).to_have_count(0)
    texts = ("settings.json: damaged entries were left out (lan.address)", "another")
    gateway.state = msgspec.structs.replace(gateway.state, problems=texts)
    server.run(lambda: gateway.publish(StatusChanged()))
    expect(problems.get_by_role("listitem")).to_have_count(2)
    expect(problems).to_contain_text("damaged entries were left out (lan.address)")


def test_title_of_the_tab_is_the_state(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page).to_have_title("Blocked · VPN Gateway")
    connect(server, gateway)
    expect(page).to_have_title("Protected · VPN Gateway")
    server.run(gateway.go_away)
    expect(page).to_have_title("State unknown · VPN Gateway")


def test_alert_during_an_outage_of_the_stream_is_shown_once(
    page: Page, server: WebServer, gateway: FakeGateway
) -> None:
    connect(server, gateway)
    expect(page.locator(".hero .what")).to_have_text("Protected")

    def cut_and_alert() -> None:
        for listener in list(server.hub._listeners):
            server.hub.leave(listener)
            listener.close(Closing(1001, "cut"))
        gateway.publish(SecurityAlert("drift", "a rule was removed"))

    page.evaluate(NOTE_GREY)
    server.run(cut_and_alert)
    expect(page.get_by_role("region", name="Alerts").get_by_role("listitem")).to_have_count(1)
    expect(page.locator("html")).to_have_attribute("data-was-grey", "yes")
    expect(page.locator(".hero .what")).to_have_text("Protected")
    expect(page.get_by_role("region", name="Alerts").get_by_role("listitem")).to_have_count(1)


def test_answer_that_an_event_overtook_is_not_taken(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    connect(server, gateway)
    what = page.locator(".hero .what")
    expect(what).to_have_text("Protected")
    held = HeldRequests(page, "**/api/status", "GET")
    with held.one_more():
        page.reload()
    late = held.all[0].fetch()
    server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING)))
    expect(what).to_have_text("Connecting")
    with page.expect_response("**/api/status") as answered:
        held.answer(late)
    answered.value.finished()
    page.evaluate("() => new Promise((done) => setTimeout(done, 100))")  # the page has read it by then
    expect(what).to_have_text("Connecting")


def test_unconfirmed_kill_switch_is_not_protected(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    connect(server, gateway)
    expect(page.locator(".hero .what")).to_have_text("Protected")
    gateway.state = msgspec.structs.replace(gateway.state, attestation=Attestation(ok=False, checked=time.time()))
    server.run(lambda: gateway.publish(StatusChanged()))
    expect(page.locator(".hero .what")).to_have_text("Kill switch not confirmed")
    expect(page.locator(".hero")).to_have_attribute("data-state", "unconfirmed")
    expect(page.locator(".this-device")).not_to_have_attribute("data-tone", "protected")


def test_one_tap_connects_and_disconnect_can_be_undone(page: Page, gateway: FakeGateway) -> None:
    gateway.accounts.preferences = msgspec.structs.replace(
        gateway.accounts.preferences, favourites=("mullvad/se-got-wg-001",), recent=("mullvad/de-ber-wg-001",)
    )
    page.reload()
    page.get_by_role("button", name="Connect to se-got-wg-001").click()
    expect(page.locator(".hero .what")).to_have_text("Protected")
    expect(page.get_by_role("button", name="Connect to se-got-wg-001")).to_have_count(0)
    page.get_by_role("button", name="Disconnect").click()
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".facts")).to_contain_text("se-got-wg-001")


def test_connecting_can_be_stopped_at_once(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    """The button that connects becomes the one that stops, and was deaf until the gateway had answered the first."""
    held = HeldRequests(page, "**/api/connect", "POST")
    with held.one_more():
        page.locator(".hero").get_by_role("button", name="Connect").click()
    server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING)))
    page.get_by_role("button", name="Stop trying").click()
    wait_for("the gateway to be told", lambda: any(isinstance(each, Disconnect) for each in gateway.commands))
    gateway.failure = ConflictError("a later request took over", code="superseded")
    held.release()
    expect(page.locator(".hero").get_by_role("button", name="Connect")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("alert")).to_be_empty()


def test_device_ends_the_pause_that_is_still_being_told(
    browser: Browser, server: WebServer, gateway: FakeGateway
) -> None:
    """The same button begins and ends it, and was deaf where another answer had told of the pause before its own."""
    gateway.explanations.everybody = SelfService("all")
    page = browser.new_page(locale="en-GB")
    try:
        page.goto(server.url)
        page.wait_for_selector("html[data-ready]")
        mine = page.locator(".this-device")
        held = HeldRequests(page, "**/api/me", "PATCH")
        for name in ("Pause for 15 minutes", "second"):
            with held.one_more():
                mine.get_by_role("button", name=name).click()
        gateway.explanations.pause = Pause(time.time() + 900)
        held.all[1].continue_()
        with held.one_more():
            mine.get_by_role("button", name="End the pause").click()
    finally:
        page.close()


def test_failed_connect_is_told_in_a_sentence(page: Page, gateway: FakeGateway) -> None:
    gateway.failure = ConnectTimeoutError("no handshake with se-got-wg-001 in 15 s: its port may be closed")
    page.get_by_role("button", name="Fastest").click()
    expect(page.get_by_role("alert")).to_contain_text("No handshake with se-got-wg-001 in 15 s")
    page.get_by_role("alert").get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert")).to_be_empty()


def test_this_device_is_changed_and_changed_back(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    connect(server, gateway)
    mine = page.locator(".this-device")
    expect(mine.get_by_role("heading")).to_have_text("This device leaves by Stockholm, Sweden")
    expect(mine).to_have_attribute("data-tone", "protected")
    mine.get_by_label("Internet of this device").select_option("blocked")
    expect(page.get_by_text("phone is blocked.")).to_be_visible()
    expect(mine.get_by_label("Internet of this device")).to_have_value("blocked")
    page.get_by_role("button", name="Undo").click()
    expect(mine.get_by_label("Internet of this device")).to_have_value("vpn")


def test_way_without_vpn_asks_for_the_password(page: Page, gateway: FakeGateway) -> None:
    menu = page.get_by_label("Internet of this device")
    menu.focus()
    menu.select_option("direct:30")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Password")).to_be_focused()
    dialog.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("The password is wrong.")
    expect(dialog.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(menu).to_be_focused()
    assert [c for c in gateway.commands if isinstance(c, StartException)] == []
    menu.select_option("direct:30")
    dialog.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("phone leaves without the VPN for 30 minutes.")).to_be_visible()
    expect(page.locator(".hero .what")).to_have_text("Open for 1 device")
    expect(page.locator(".countdown").first).to_contain_text(re.compile(r"29:5\d|30:00"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".hero .what")).to_have_text("Blocked")


def test_open_exception_counts_down_and_ends(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    connect(server, gateway)
    let_out(server, gateway)
    expect(page.locator(".hero")).to_have_attribute("data-state", "open")
    row = page.get_by_role("listitem").filter(has_text="Telly: Without VPN")
    expect(row).to_contain_text("the match")
    first = row.locator(".countdown > span").first
    expect(first).to_have_text(re.compile(r"9:5\d|10:00"))
    row.get_by_role("button", name="+15 min for Telly").click()
    page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(first).to_have_text(re.compile(r"24:\d\d|25:00"))
    assert isinstance(gateway.commands[-1], ChangeException) or any(
        isinstance(each, ChangeException) for each in gateway.commands
    )
    row.get_by_role("button", name="End now for Telly").click()
    expect(page.get_by_text("Telly is protected again.")).to_be_visible()
    expect(page.locator(".hero .what")).to_have_text("Protected")
    assert any(each == EndException(1) for each in gateway.commands)


def test_alert_stays_until_it_is_seen(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    server.run(lambda: gateway.publish(SecurityAlert("drift", "a rule was put back")))
    alerts = page.get_by_role("region", name="Alerts")
    expect(alerts).to_contain_text("A rule was put back")
    page.goto("about:blank")
    server.run(lambda: gateway.publish(SecurityAlert("drift", "another one was put back")))  # while no page is open
    page.goto(server.url)
    expect(alerts.get_by_role("listitem")).to_have_count(2)
    alerts.get_by_role("button", name="Seen").first.click()
    alerts.get_by_role("button", name="Seen").first.click()
    expect(alerts).to_have_count(0)
    page.reload()
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    expect(alerts).to_have_count(0)


def test_rates_are_shown_as_they_come(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    for _ in range(2):
        server.run(lambda: gateway.tell_rates(TrafficRates(time.time(), 2.0, Bytes(12_500, 1_250_000), {}, {})))
    expect(page.locator(".way[data-way=down] .figure")).to_have_text("10 Mbit/s")
    expect(page.locator(".way[data-way=up] .figure")).to_have_text("100 kbit/s")
    expect(page.locator(".sparkline")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_home_shuts_nobody_out_in_any_state(
    page: Page, server: WebServer, gateway: FakeGateway, width: int, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".hero .what")).to_have_text("Blocked")
    assert barriers(page) == []
    connect(server, gateway)
    expect(page.locator(".hero .what")).to_have_text("Protected")
    assert barriers(page) == []
    let_out(server, gateway)
    server.run(lambda: gateway.publish(SecurityAlert("drift", "a rule was put back")))
    expect(page.locator(".hero .what")).to_have_text("Open for 1 device")
    expect(page.get_by_role("region", name="Alerts")).to_be_visible()
    assert barriers(page) == []
    page.get_by_label("Internet of this device").select_option("direct:15")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    server.run(gateway.go_away)
    expect(page.locator(".hero .what")).to_have_text("State unknown")
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_german_sentence_that_ends_in_an_abbreviation_has_one_stop(
    browser: Browser, server: WebServer, gateway: FakeGateway
) -> None:
    blocked = ExitStatus("default", ExitState.BLOCKED, reason="handshake_timeout", retry_in=30)
    server.run(lambda: gateway.set_exit(blocked))
    context = browser.new_context(locale="de-DE")
    context.add_cookies([{"name": COOKIE, "value": SESSION, "url": server.url}])
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator(".hero .why")).to_contain_text("Der Server antwortet nicht.")
    expect(page.locator(".hero .next")).to_have_text(re.compile(r"^Nächster Versuch in \d+ Sek\.$"))
    context.close()
