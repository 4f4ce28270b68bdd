"""Protection: the kill switch in words, what it stopped, what is open, the proof and the canary."""

from __future__ import annotations

import re
import time

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from app.api.auth.credentials import COOKIE
from app.model import Device, DirectPolicy, PolicyException
from app.protocol.answers import Check, LeakReport
from app.protocol.canary import Evidence, Observation
from app.protocol.commands import ChangeException, EndException, OpenExits
from app.protocol.events import ExceptionStarted, SecurityAlert, StatusChanged
from app.protocol.status import Attestation, ExitState, ExitStatus
from ci.labnet.owner import PASSWORD, SESSION
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV, NAS = "02:00:00:00:00:01", "02:00:00:00:00:06"
UP = ExitStatus("default", ExitState.CONNECTED, "se-sto-wg-001", "mullvad", "Stockholm, Sweden", "192.0.2.1", since=1.0)
SPOOFED = Evidence("spoofed_gateway", 4, True, False, False)


@pytest.fixture
def address() -> str:
    return "/protection"


def let_out(server: WebServer, gateway: FakeGateway, seconds: float = 600.0) -> None:
    now = time.time()
    made = PolicyException(1, 1, DirectPolicy(), now, now + seconds, seconds, "admin", TV, None, "the match")
    gateway.state = msgspec.structs.replace(gateway.state, exceptions=(made,))
    event = ExceptionStarted(1, TV, None, "direct", now + seconds, "admin", "the match")
    server.run(lambda: gateway.publish(event))


def attest(server: WebServer, gateway: FakeGateway, attestation: Attestation) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, attestation=attestation)
    server.run(lambda: gateway.publish(StatusChanged()))


def test_kill_switch_is_told_in_words(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    hero = page.locator(".kill-switch")
    expect(hero).to_have_attribute("data-state", "protected")
    expect(hero.get_by_role("heading")).to_have_text("Kill switch active")
    expect(hero).to_contain_text("leaves by the tunnel of its exit, or not at all")
    attest(server, gateway, Attestation(ok=True, checked=time.time() - 180, repairs=2))
    expect(hero.locator(".facts")).to_contain_text("3 minutes ago")
    expect(hero.locator(".facts")).to_contain_text("2 times")
    found = Attestation(ok=False, checked=time.time(), repairs=2, drift=("ip rule 100 is missing",))
    attest(server, gateway, found)
    expect(hero).to_have_attribute("data-state", "unconfirmed")
    expect(hero).to_contain_text("Kill switch not confirmed")
    expect(hero).to_contain_text("ip rule 100 is missing")


def test_outage_turns_it_grey(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    hero = page.locator(".kill-switch")
    expect(hero).to_have_attribute("data-state", "protected")
    page.get_by_role("button", name="Run the proof").click()
    check = page.locator(".check > .icon").first
    colour = check.evaluate("(icon) => getComputedStyle(icon).color")
    server.run(gateway.go_away)
    expect(hero).to_have_attribute("data-state", "unavailable")
    expect(hero).not_to_contain_text("Differences now")
    expect(page.locator("[data-state=protected], .round[data-state=proven]")).to_have_count(0)
    expect(check).not_to_have_css("color", colour)  # a proof of before says nothing of now
    gateway.away = False
    expect(hero).to_have_attribute("data-state", "protected")


def test_stopped_packets_are_explained(page: Page, gateway: FakeGateway) -> None:
    stopped = page.get_by_role("region", name="Stopped packets")
    rows = stopped.get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("The tunnel is not up")
    expect(rows.first).to_contain_text("That is the kill switch at work.")
    expect(rows.first).to_contain_text("11")
    gateway.state = msgspec.structs.replace(gateway.state, drops={"blocked": 11, "spoofed": 20_000, "a_new_one": 1})
    expect(rows.first).to_contain_text("A false sender")  # no event tells of it: the page asks again
    expect(rows.first).to_contain_text("20,000")
    expect(rows.last).to_contain_text("For another reason")
    expect(stopped).not_to_contain_text("a_new_one")


def test_exception_is_prolonged_and_ended(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    listed = page.get_by_role("region", name="Exceptions")
    expect(listed).to_contain_text("None. Every device leaves by its tunnel")
    let_out(server, gateway)
    row = listed.get_by_role("listitem").filter(has_text="Telly: Without VPN")
    expect(row).to_contain_text("the match")
    expect(page.locator(".kill-switch")).to_have_attribute("data-state", "open")
    row.get_by_role("button", name="+15 min for Telly").click()
    page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(row.locator(".countdown > span").first).to_have_text(re.compile(r"24:\d\d|25:00"))
    assert any(isinstance(each, ChangeException) for each in gateway.commands)
    row.get_by_role("button", name="End now for Telly").click()
    expect(listed).to_contain_text("None.")
    assert EndException(1) in gateway.commands


def test_standing_way_out_is_listed_too(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, devices=(Device(NAS, DirectPolicy(), "NAS"),))
    page.reload()
    row = page.get_by_role("region", name="Exceptions").get_by_role("listitem")
    expect(row).to_contain_text("NAS: Without VPN")
    expect(row).to_contain_text("Until somebody changes it")
    row.get_by_role("link", name="Change NAS").click()
    expect(page).to_have_url(f"{server.url}/devices/{NAS}")


def test_proof_is_run_and_kept(page: Page, gateway: FakeGateway) -> None:
    checks = (
        Check("rules", "ok", "Firewall and routes are as planned."),
        Check("packets", "ok", "18 probes were sent."),
        Check("drops", "ok", "Packets stopped so far: 11 blocked."),
    )
    gateway.leak_report = LeakReport(True, checks, (gateway.evidence[1], SPOOFED), "A report.\n")
    gateway.pause = 0.5
    card = page.get_by_role("region", name="Proof with real packets")
    card.get_by_role("button", name="Run the proof").focus()
    page.keyboard.press("Enter")
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(card).to_contain_text("Sending packets")
    expect(card.get_by_role("heading", name="Nothing leaves in the clear.")).to_be_visible()
    expect(card.get_by_role("progressbar")).to_have_count(0)
    expect(card.locator(".check")).to_have_count(3)
    expect(card.locator("tbody tr")).to_have_count(2)
    card.get_by_text("Where each probe was seen").click()
    expect(card).to_contain_text("A false sender: the gateway's, IPv4")
    expect(card).not_to_contain_text("11 blocked")
    with page.expect_download() as kept:
        card.get_by_role("button", name="Keep as a file").click()
    assert re.fullmatch(r"proof-[\dT-]+\.txt", kept.value.suggested_filename)
    text = kept.value.path().read_text()
    assert "Nothing leaves in the clear." in text
    assert text.endswith("A report.\n")


@pytest.mark.parametrize(
    ("evidence", "result", "heading"),
    [
        (Evidence("tcp", 4, True, False, True), "failed", "Packets left in the clear."),
        (Evidence("tcp", 4, True, False, False, True), "failed", "Packets left in the clear."),
        (Evidence("tcp", 4, None, None, None), "unknown", "No leak was seen, but it is not proven."),
        (Evidence("tcp", 4, True, True, False), "failed", "Something is not as it should be."),
    ],
)
def test_proof_never_says_more_than_it_saw(
    page: Page, gateway: FakeGateway, evidence: Evidence, result: str, heading: str
) -> None:
    check = Check("packets", result, "What was seen.")  # pyright: ignore[reportArgumentType] - from the parameters
    gateway.leak_report = LeakReport(result != "failed", (check,), (evidence,), None)
    page.get_by_role("button", name="Run the proof").click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.locator(".proof-result [data-state=proven]")).to_have_count(0)
    expect(page.locator(".proof-result details[open]")).to_have_count(1 if result == "failed" else 0)


def test_code_for_the_phone_is_drawn(page: Page, server: WebServer) -> None:
    code = page.get_by_role("img", name=f"QR code that leads to {server.url}/proof")
    expect(code).to_be_visible()
    assert code.evaluate("(image) => image.decode().then(() => image.naturalWidth > 100)")
    expect(page.get_by_text(f"{server.url}/proof", exact=True)).to_be_visible()


def test_canary_tells_its_rounds(page: Page, gateway: FakeGateway) -> None:
    card = page.get_by_role("region", name="Probed all the time")
    expect(card).to_contain_text("Again and again, 1 min apart, the gateway tries to get out")
    expect(card.locator(".facts")).to_contain_text("54")
    round_ = card.locator(".round")
    expect(round_).to_contain_text("All stayed in the tunnel.")
    round_.get_by_text("As a device of Main exit").click()
    expect(round_.locator("tbody tr")).to_have_count(3)


def test_exits_shut_by_a_leak_are_opened(page: Page, gateway: FakeGateway) -> None:
    leak = Observation("(blocked)", TV, time.time(), False, (Evidence("udp", 4, True, False, True),), True, leaked=2)
    gateway.canary = msgspec.structs.replace(gateway.canary, shut="2 packets were seen", leaked=2, latest=(leak,))
    page.reload()
    hero = page.locator(".kill-switch")
    expect(hero).to_have_attribute("data-state", "blocked")
    expect(hero).to_contain_text("A leak was found")
    expect(hero).to_contain_text("2 packets were seen")
    expect(page.locator(".round")).to_contain_text("2 packets have leaked.")
    hero.get_by_role("button", name="Open the exits").click()
    dialog = page.get_by_role("dialog", name="Open the exits after a leak?")
    expect(dialog).to_contain_text("may leave in the clear")
    assert barriers(page) == []
    dialog.get_by_role("button", name="Keep them blocked").click()
    assert OpenExits() not in gateway.commands
    hero.get_by_role("button", name="Open the exits").click()
    dialog.get_by_role("button", name="Open the exits").click()
    expect(page.get_by_text("The exits are open.")).to_be_visible()
    expect(hero).to_have_attribute("data-state", "protected")
    assert OpenExits() in gateway.commands


def test_alert_says_what_it_means(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    alerts = page.get_by_role("region", name="Alerts")
    expect(alerts).to_contain_text("Nothing that you have not seen.")
    server.run(lambda: gateway.publish(SecurityAlert("drift", "a rule was put back")))
    row = alerts.get_by_role("listitem")
    expect(row).to_contain_text("The kernel's rules were changed, and put back")
    expect(row).to_contain_text("A rule was put back")
    expect(row).to_contain_text("Another program did it.")
    row.get_by_role("button", name="Seen").click()
    expect(alerts).to_contain_text("Nothing that you have not seen.")


def test_promises_are_told(page: Page) -> None:
    card = page.get_by_role("region", name="What the gateway promises")
    expect(card.get_by_role("listitem")).to_have_count(21)
    how = card.get_by_text("any one of them holds when the other two are broken")
    expect(how).to_be_hidden()
    card.get_by_text("Three locks, each enough alone").click()
    expect(how).to_be_visible()


def test_it_speaks_german(browser: Browser, server: WebServer) -> None:
    context = browser.new_context(locale="de-DE")
    context.add_cookies([{"name": COOKIE, "value": SESSION, "url": server.url}])
    page = context.new_page()
    page.goto(f"{server.url}/protection")
    expect(page.get_by_role("heading", name="Kill-Switch aktiv")).to_be_visible()
    expect(page.get_by_role("region", name="Aufgehaltene Pakete")).to_contain_text("Der Tunnel steht nicht")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_protection_shuts_nobody_out(
    page: Page, server: WebServer, gateway: FakeGateway, width: int, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    server.run(lambda: gateway.set_exit(UP))
    expect(page.locator(".kill-switch")).to_have_attribute("data-state", "protected")
    page.get_by_role("button", name="Run the proof").click()
    expect(page.locator(".proof-result")).to_be_visible()
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    let_out(server, gateway)
    server.run(lambda: gateway.publish(SecurityAlert("drift", "a rule was put back")))
    attest(server, gateway, Attestation(ok=False, checked=time.time(), drift=("ip rule 100 is missing",)))
    expect(page.locator(".kill-switch")).to_have_attribute("data-state", "unconfirmed")
    assert barriers(page) == []
    server.run(gateway.go_away)
    expect(page.locator(".kill-switch")).to_have_attribute("data-state", "unavailable")
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
