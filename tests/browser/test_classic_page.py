"""The classic page: status, servers, import, search, keyboard, and the gateway going away."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from app.errors import ConflictError, ConnectTimeoutError
from app.model import WanChoice
from app.protocol.commands import ChooseWan
from app.protocol.events import SecurityAlert, ServersChanged, StatusChanged
from app.protocol.status import Attestation, ExitState, ExitStatus
from tests.support.fake_gateway import FakeGateway
from tests.support.fake_gateway import server as make_server
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser


@pytest.fixture
def address() -> str:
    return "/classic"


CONFIG = "[Interface]\nPrivateKey = abc\n\n[Peer]\nPublicKey = def\nEndpoint = 192.0.2.99:51820\n"


def headline(page: Page) -> str:
    return page.locator("#state").inner_text()


def test_page_opens_disconnected_and_explains_the_state(page: Page) -> None:
    expect(page.locator("#state")).to_have_text("Disconnected")
    expect(page.locator("#explain")).to_contain_text("No device reaches the Internet")
    expect(page.locator("#killswitch-title")).to_have_text("Kill switch active")
    expect(page.locator("#killswitch-text")).to_contain_text("checked")
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator("#drops-summary")).to_have_text("12 packets stopped")
    expect(page.get_by_role("button", name="Connect to se-sto-wg-001")).to_be_visible()


def test_connect_switch_and_disconnect_follow_the_buttons(page: Page) -> None:
    page.get_by_role("button", name="Connect to se-sto-wg-001").click()
    expect(page.locator("#state")).to_have_text("Connected")
    expect(page.locator("#place")).to_have_text("se-sto-wg-001 · Stockholm, Sweden")
    expect(page.locator("#fact-ip")).to_have_text("192.0.2.1")
    expect(page.locator("#fact-bytes")).to_have_text("15 kB / 4.2 kB")
    expect(page.locator(".server[aria-current=true] .name")).to_have_text("se-sto-wg-001")
    expect(page).to_have_title(re.compile("Connected · se-sto-wg-001"))

    page.get_by_role("button", name="Switch to de-ber-wg-001").click()
    expect(page.locator("#place")).to_have_text("de-ber-wg-001 · Berlin, Germany")

    page.get_by_role("button", name="Disconnect").click()
    expect(page.locator("#state")).to_have_text("Disconnected")
    expect(page.get_by_text("Disconnected - No internet (killswitch active)")).to_be_visible()
    expect(page.locator("#facts")).to_be_hidden()
    page.locator("#quick").get_by_text("Connect to de-ber-wg-001").click()
    expect(page.locator("#state")).to_have_text("Connected")


def test_uptime_counts_without_requests(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    up = ExitStatus("default", ExitState.CONNECTED, server="x", provider="mullvad", uptime=3 * 3600 + 59)
    server.run(lambda: gateway.set_exit(up))
    expect(page.locator("#fact-uptime")).to_have_text("3h 0m")
    expect(page.locator("#fact-uptime")).to_have_text("3h 1m")


def test_change_by_another_client_is_shown_at_once(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator("#link")).to_have_text("Live")
    server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING, server="vpn-se")))
    expect(page.locator("#state")).to_have_text("Connecting", timeout=1000)
    expect(page.locator("#place")).to_have_text("vpn-se")
    blocked = ExitStatus(
        "default",
        ExitState.BLOCKED,
        server="vpn-se",
        reason="handshake_timeout",
        message="vpn-se does not answer; check that the server is up",
        retry_in=30,
    )
    server.run(lambda: gateway.set_exit(blocked))
    expect(page.locator("#state")).to_have_text("Blocked", timeout=1000)
    expect(page.locator("#explain")).to_have_text("vpn-se does not answer; check that the server is up")
    expect(page.locator("#retry")).to_have_text(re.compile(r"Trying again in 2\ds\."))
    expect(page.get_by_role("button", name="Stop trying")).to_be_visible()
    server.run(lambda: gateway.publish(SecurityAlert("drift", "rule put back")))
    expect(page.get_by_role("alert").filter(has_text="Security: rule put back")).to_be_visible()


def test_unknown_wan_is_chosen_from_the_ports(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    ports = page.locator("#wan-ports")
    expect(ports).to_be_hidden()
    server.run(gateway.lose_wan)
    expect(page.locator("#explain")).to_have_text("It is not known which port is the WAN")
    expect(ports.locator("li")).to_have_count(2)  # a radio cannot be the WAN
    expect(ports).to_contain_text("eth1 usb-1.2@0000:01:00.0, 00:e0:4c:00:00:02, r8152, cable in")
    button = page.get_by_role("button", name="Use eth1 as WAN")
    gateway.failure = ConflictError("the port is not there any more", field="port")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("the port is not there any more", ignore_case=True)
    gateway.failure = None
    button.click()
    expect(page.get_by_text("The WAN is eth1 now.")).to_be_visible()
    expect(ports).to_be_hidden()
    assert gateway.commands[-1] == ChooseWan("eth1")


def test_unusable_settings_are_shown(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    problems = page.get_by_role("list", name="Unusable settings")
    expect(problems).to_be_hidden()
    texts = ("settings.json: damaged entries were left out (lan.address)", "another")
    gateway.state = msgspec.structs.replace(gateway.state, problems=texts)
    server.run(lambda: gateway.publish(StatusChanged()))
    expect(problems.get_by_role("listitem")).to_have_count(2)
    expect(problems).to_contain_text("damaged entries were left out (lan.address)")


def test_wan_fixed_by_the_card_offers_no_choice(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, wan_choice=WanChoice("usb-1.7", "network.wan"))
    server.run(gateway.lose_wan)
    expect(page.locator("#explain")).to_have_text("It is not known which port is the WAN")
    expect(page.locator("#wan-ports")).to_be_hidden()


def test_kill_switch_with_drift_is_shown_as_not_confirmed(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    broken = Attestation(ok=False, checked=time.time(), drift=("table inet vpn_gateway missing",))
    gateway.state = msgspec.structs.replace(gateway.state, attestation=broken)
    server.run(lambda: gateway.publish(StatusChanged()))
    expect(page.locator("#killswitch-title")).to_have_text("Kill switch not confirmed")
    expect(page.locator("#killswitch-text")).to_contain_text("table inet vpn_gateway missing")


def test_failed_connect_shows_the_reason(page: Page, gateway: FakeGateway) -> None:
    button = page.get_by_role("button", name="Connect to de-ber-wg-001")
    expect(button).to_be_visible()
    gateway.failure = ConnectTimeoutError("no handshake with de-ber-wg-001 in 15 s: its port may be closed")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("No handshake with de-ber-wg-001 in 15 s")
    expect(button).to_be_enabled()
    expect(page.locator("#state")).to_have_text("Disconnected")


def test_import_of_a_file_adds_the_server(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "my vpn (1).conf"
    file.write_bytes(b"\xff\xfe" + CONFIG.encode("utf-16-le"))  # as Notepad saves it
    page.locator("#import-file").set_input_files(file)
    expect(page.locator("#import-name")).to_have_value("my vpn 1")
    expect(page.locator("#import-config")).to_have_value(CONFIG)
    page.locator("#import-name").fill("my-vpn")
    page.get_by_role("button", name="Import", exact=True).nth(1).click()
    expect(page.get_by_text("my-vpn was added")).to_be_visible()
    expect(page.get_by_role("button", name="Imported")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Connect to my-vpn")).to_be_visible()
    expect(page.locator("#import-config")).to_have_value("")


def test_file_names_and_encodings_match_the_gateway(page: Page) -> None:
    examples = json.loads((Path(__file__).parents[1] / "data/files.json").read_text())
    found = page.evaluate(
        """async ({ names, encodings }) => {
          const { serverName, decode } = await import("/static/files.js");
          const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16)).buffer;
          return [names.map((e) => serverName(e.file)), encodings.map((e) => decode(bytes(e.hex)))];
        }""",
        examples,
    )
    assert found == [[e["server"] for e in examples["names"]], [e["text"] for e in examples["encodings"]]]


def test_import_with_a_taken_name_gets_another_name(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "home (1).conf"
    for content, name in ((CONFIG, "home 1"), (CONFIG + "# another", "home 1-2")):
        file.write_text(content)
        page.locator("#import-file").set_input_files(file)
        expect(page.locator("#import-name")).to_have_value("home 1")
        page.get_by_role("button", name="Import", exact=True).nth(1).click()
        expect(page.get_by_text(f"{name} was added")).to_be_visible()


def test_import_error_is_shown_at_its_field(page: Page) -> None:
    submit = page.locator("#import-form button[type=submit]")
    page.locator("#import-name").fill("mine")
    page.locator("#import-config").fill("garbage")
    submit.click()
    expect(page.locator("#import-config-error")).to_have_text("Line 1: expected [Interface]")
    expect(page.locator("#import-config")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#import-config")).to_be_focused()

    page.locator("#import-config").fill(CONFIG)
    expect(page.locator("#import-config-error")).to_be_hidden()
    page.locator("#import-name").fill("no spaces please")
    submit.click()
    expect(page.locator("#import-name-error")).to_contain_text("Letters, digits")

    page.locator("#import-name").fill("vpn-se")
    submit.click()
    expect(page.locator("#import-name-error")).to_contain_text("in use")
    expect(page.locator("#import-config")).to_have_value(CONFIG)


def test_server_is_added_by_hand_and_removed(page: Page, gateway: FakeGateway) -> None:
    page.get_by_role("button", name="By hand").click()
    page.get_by_role("textbox", name="Name").fill("my-vps")
    page.get_by_label("Endpoint").fill("192.0.2.77:51820")
    page.get_by_label("Public key of the server").fill("c2VydmVy")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("my-vps was added")).to_be_visible()
    expect(page.get_by_text("b3VycyBpcyBoZXJlIQ==")).to_be_visible()  # the public key for the server
    command = next(c for c in gateway.commands if type(c).__name__ == "AddCustomServer")
    assert (command.address, command.private_key) == (None, None)  # type: ignore[union-attr]

    page.get_by_role("button", name="Remove my-vps").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator(".server .name").filter(has_text="my-vps")).to_be_visible()
    page.get_by_role("button", name="Remove my-vps").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("my-vps was removed")).to_be_visible()
    expect(page.locator(".server .name").filter(has_text="my-vps")).to_have_count(0)


def test_search_and_provider_select_the_servers(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("sweden stock")
    expect(page.locator(".server .name")).to_have_text(["se-sto-wg-001", "se-sto-wg-002"])
    expect(page.locator("#found")).to_have_text("2 servers found")
    page.locator("#search").fill("nowhere")
    expect(page.get_by_text("No server matches.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".country")).to_have_count(2)
    page.get_by_role("button", name="Custom").click()
    expect(page.locator(".server .name")).to_have_text(["vpn-de", "vpn-se"])
    page.get_by_role("button", name="Imported").click()
    expect(page.get_by_text("No servers yet.")).to_be_visible()


def test_thousands_of_servers_are_searched_fast(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    many = [
        make_server(f"xx-{c:02}-wg-{n:03}", "mullvad", f"Country {c:02}", f"City {n % 5}", f"192.0.2.{n % 250}")
        for c in range(50)
        for n in range(200)
    ]
    gateway.servers = many
    server.run(lambda: gateway.publish(ServersChanged("mullvad")))
    expect(page.locator(".country")).to_have_count(50)
    expect(page.locator(".server")).to_have_count(0)
    started = time.monotonic()
    page.locator("#search").fill("country 07 wg-19")
    expect(page.locator(".server")).to_have_count(10)
    page.locator("#search").fill("wg")
    expect(page.get_by_text("9,900 more servers")).to_be_visible()
    assert time.monotonic() - started < 3


def test_netd_outage_is_shown_until_it_returns(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    expect(page.locator("#state")).to_have_text("Disconnected")
    server.run(gateway.go_away)
    expect(page.locator("#state")).to_have_text("Status unknown")
    expect(page.locator("#explain")).to_contain_text("rules that were last in force")
    gateway.away = False
    expect(page.locator("#state")).to_have_text("Disconnected")


def test_page_reconnects_after_a_web_service_restart(browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    with WebServer() as first:
        page.goto(f"{first.url}/classic")
        expect(page.locator("#link")).to_have_text("Live")
        port = first.port
    expect(page.locator("#state")).to_have_text("Gateway unreachable", timeout=10_000)
    with WebServer(port) as second:
        expect(page.locator("#link")).to_have_text("Live", timeout=20_000)
        expect(page.locator("#state")).to_have_text("Disconnected")
        second.run(lambda: second.gateway.set_exit(ExitStatus("default", ExitState.CONNECTING, server="x")))
        expect(page.locator("#state")).to_have_text("Connecting", timeout=1000)
    context.close()


def test_server_is_reached_by_keyboard(page: Page) -> None:
    expect(page.locator("#state")).to_have_text("Disconnected")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the servers")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Connect to se-got-wg-001":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#place")).to_have_text("se-got-wg-001 · Gothenburg, Sweden")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_page_fits_a_phone(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="Connect to se-sto-wg-001").click()
    expect(page.locator("#state")).to_have_text("Connected")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_request_from_another_site_is_refused(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    """A real browser on another origin: the request arrives, and is refused."""
    other = page.context.new_page()
    other.goto(server.url.replace("127.0.0.1", "localhost"))
    outcome = other.evaluate(
        """async (url) => {
            try {
                const answer = await fetch(url + "/api/disconnect", {method: "POST", mode: "no-cors"});
                return answer.type;
            } catch (error) { return "blocked"; }
        }""",
        server.url,
    )
    assert outcome in {"opaque", "blocked"}
    assert [c for c in gateway.commands if type(c).__name__ == "Disconnect"] == []
