"""Exits: a sentence each, their switches, a new one, the settings of one, and its end."""

from __future__ import annotations

import re
from ipaddress import ip_address

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.model import BlockedPolicy, Device, ExitSettings, Fallback, VpnPolicy
from app.protocol.commands import Connect, Disconnect, MakeExit, RemoveExit
from app.protocol.status import ExitState, ExitStatus
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.held_requests import HeldRequests
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV = "02:00:00:00:00:01"
UP = ExitStatus("default", ExitState.CONNECTED, "se-sto-wg-001", "mullvad", "Stockholm, Sweden", "192.0.2.1", since=1.0)


@pytest.fixture
def address() -> str:
    return "/exits"


@pytest.fixture(autouse=True)
def exits(page: Page, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(
        gateway.state,
        devices=(Device(TV, VpnPolicy("tv"), "Telly"),),
        exits=(UP, ExitStatus("tv", ExitState.DISCONNECTED)),
        exit_settings=(
            ExitSettings("default"),
            ExitSettings("tv", "Television", "mullvad", "fastest:Sweden", (Fallback("Germany"),)),
        ),
    )
    page.reload()


def settings(gateway: FakeGateway, name: str) -> ExitSettings:
    return next(each for each in gateway.state.exit_settings if each.name == name)


def open_detail(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/exits/tv")
    expect(page.get_by_role("heading", name="Television", level=1)).to_be_visible()


def test_card_is_a_sentence_with_its_state(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    cards = page.locator(".exit")
    expect(cards).to_have_count(2)
    expect(cards.nth(0)).to_contain_text("Stockholm, Sweden by Mullvad; 1 device")
    expect(cards.nth(0)).to_have_attribute("data-tone", "protected")
    expect(cards.nth(1)).to_contain_text("Sweden by Mullvad, else Germany; 1 device")
    expect(cards.nth(1)).to_contain_text("Off: nothing of its devices leaves")
    blocked = ExitStatus("tv", ExitState.BLOCKED, provider="mullvad", message="se-sto does not answer", retry_in=30)
    server.run(lambda: gateway.set_exit(blocked))
    expect(cards.nth(1)).to_have_attribute("data-tone", "blocked")
    expect(cards.nth(1)).to_contain_text(re.compile(r"se-sto does not answer\. Trying again in"))
    server.run(gateway.go_away)
    expect(cards.nth(0)).to_have_attribute("data-tone", "stale")
    expect(page.get_by_role("switch")).to_have_count(0)


def test_switch_connects_and_disconnects(page: Page, gateway: FakeGateway) -> None:
    switch = page.get_by_role("switch", name="Television on")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    assert any(isinstance(each, Connect) and each.exit == "tv" for each in gateway.commands)
    switch.click()
    expect(switch).not_to_be_checked()
    expect(page.get_by_text("Television is off: nothing of its devices leaves.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(switch).to_be_checked()
    expect(page.get_by_role("switch", name="Main exit on")).to_be_checked()
    assert [each for each in gateway.commands if isinstance(each, Disconnect)] == [Disconnect("tv")]


def test_switch_turns_off_an_exit_that_is_connecting(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    """It was deaf until the gateway had answered the first press, which is when the exit is up or has failed."""
    switch = page.get_by_role("switch", name="Television on")
    held = HeldRequests(page, "**/api/connect", "POST")
    with held.one_more():
        switch.click()
    expect(switch).to_have_attribute("aria-busy", "true")
    server.run(lambda: gateway.set_exit(ExitStatus("tv", ExitState.CONNECTING)))
    expect(switch).to_be_checked()
    switch.click()
    wait_for("the gateway to be told", lambda: Disconnect("tv") in gateway.commands)
    held.release()


def test_new_exit_is_named_then_gets_its_server(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    page.get_by_role("button", name="New exit").click()
    dialog = page.get_by_role("dialog", name="New exit")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Büro oben")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/servers/buro-oben")
    made = next(each for each in gateway.commands if isinstance(each, MakeExit)).exit
    assert (made.name, made.label) == ("buro-oben", "Büro oben")
    page.get_by_role("button", name=re.compile("^Germany")).click()
    expect(page.get_by_text("Büro oben now leaves by Germany.")).to_be_visible()
    page.get_by_role("link", name="Exits").click()
    expect(page.locator(".exit").filter(has_text="Büro oben")).to_contain_text("Germany by Mullvad; no device")


def test_card_leads_to_servers_and_settings(page: Page, server: WebServer) -> None:
    page.get_by_role("link", name="Change the server of Television").click()
    expect(page).to_have_url(f"{server.url}/servers/tv")
    page.go_back()
    page.get_by_role("link", name="Settings of Television").click()
    expect(page.get_by_role("heading", name="Television", level=1)).to_be_focused()
    expect(page.get_by_role("link", name="Telly")).to_have_attribute("href", f"/devices/{TV}")


def test_failover_list_is_ordered_grown_and_undone(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    region = page.get_by_role("region", name="If it does not answer")
    region.get_by_role("button", name="Add a place or server").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Provider").select_option("custom")
    dialog.get_by_role("button", name=re.compile("^vpn-de Berlin")).click()
    expect(dialog).to_have_count(0)
    expect(region.get_by_role("listitem")).to_have_count(2)
    region.get_by_role("button", name="vpn-de by Your servers: one place up").click()
    expect(region.get_by_role("listitem").first).to_contain_text("vpn-de by Your servers")
    assert settings(gateway, "tv").fallbacks == (Fallback("vpn-de", "custom"), Fallback("Germany"))
    region.get_by_role("button", name="Take Germany by Mullvad off the list").click()
    expect(region.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="Undo").last.click()
    expect(region.get_by_role("listitem")).to_have_count(2)


def test_settings_count_at_once_and_errors_stand_at_their_field(
    page: Page, server: WebServer, gateway: FakeGateway
) -> None:
    open_detail(page, server)
    resolvers = page.get_by_label("DNS resolvers")
    resolvers.fill("9.9.9.9, 2620:fe::fe")
    resolvers.press("Enter")
    expect(page.get_by_text("Television is changed.")).to_be_visible()
    assert settings(gateway, "tv").dns == (ip_address("9.9.9.9"), ip_address("2620:fe::fe"))
    mtu = page.get_by_label("Largest packet (MTU)")
    mtu.fill("12")
    mtu.press("Tab")
    expect(mtu).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field").filter(has=mtu).get_by_role("alert")).to_contain_text("1280")
    assert settings(gateway, "tv").mtu is None
    mtu.fill("1380")
    mtu.press("Enter")
    expect(mtu).not_to_have_attribute("aria-invalid", "true")
    assert settings(gateway, "tv").mtu == 1380
    page.get_by_role("button", name="Undo").last.click()
    expect(mtu).to_have_value("")
    page.get_by_label("Countries").fill("us, United Kingdom")
    page.get_by_label("Countries").press("Enter")
    expect(page.get_by_label("Countries")).not_to_have_attribute("aria-busy", "true")
    assert settings(gateway, "tv").never.countries == ("us", "United Kingdom")
    page.get_by_role("switch", name="Television connects by itself").click()
    expect(page.get_by_text("After a restart it stays off")).to_be_visible()


def test_parts_of_one_setting_changed_at_once_both_count(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    held = HeldRequests(page, "**/api/exits/*", "PATCH")
    open_detail(page, server)
    region = page.get_by_role("region", name="Never used")
    region.get_by_label("Countries").fill("de")
    with held.one_more():
        region.get_by_label("Hosters").fill("M247")
    region.get_by_label("Servers").focus()
    held.release()
    expect(region.get_by_label("Hosters")).to_have_attribute("aria-busy", "false")
    wait_for("both", lambda: bool(settings(gateway, "tv").never.countries and settings(gateway, "tv").never.hosters))


def test_part_changed_while_another_is_undone_counts(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    region = page.get_by_role("region", name="Never used")
    region.get_by_label("Countries").fill("de")
    region.get_by_label("Countries").press("Enter")
    wait_for("the countries", lambda: bool(settings(gateway, "tv").never.countries))
    held = HeldRequests(page, "**/api/exits/*", "PATCH")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    region.get_by_label("Hosters").fill("M247")
    region.get_by_label("Hosters").press("Enter")
    held.release()
    held.wait_for("the hosters", lambda: bool(settings(gateway, "tv").never.hosters))
    expect(region.get_by_label("Hosters")).to_have_attribute("aria-busy", "false")
    assert settings(gateway, "tv").never.countries == ()


def test_exit_is_renamed_and_its_address_follows(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    name = page.get_by_label("Name for the API")
    name.fill("Not good")
    name.press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("living-room")
    name.press("Enter")
    expect(page).to_have_url(f"{server.url}/exits/living-room")
    expect(page.get_by_role("heading", name="Television", level=1)).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Living room")
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Living room", level=1)).to_be_visible()


def test_target_is_chosen_without_connecting(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    page.get_by_role("button", name="Choose", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Germany")).click()
    expect(page.get_by_role("region", name="Where it goes")).to_contain_text("Germany by Mullvad")
    assert settings(gateway, "tv").target == "fastest:Germany"
    assert not [each for each in gateway.commands if isinstance(each, Connect)]
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("region", name="Where it goes")).to_contain_text("Nothing chosen: the last server")
    assert settings(gateway, "tv").target is None


def test_removal_says_what_its_devices_do_next(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    page.get_by_role("button", name="Remove", exact=True).click()
    dialog = page.get_by_role("dialog", name="Remove Television?")
    expect(dialog).to_contain_text("It is used by: Telly.")
    expect(dialog.get_by_label("What do they do next?")).to_have_value("blocked")
    dialog.get_by_label("What do they do next?").select_option("direct")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    question = page.get_by_role("dialog", name="Your password, once more")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    assert not [each for each in gateway.commands if isinstance(each, RemoveExit)]
    page.get_by_role("button", name="Remove", exact=True).click()
    dialog.get_by_label("What do they do next?").select_option("Nothing: no Internet")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page).to_have_url(f"{server.url}/exits")
    expect(page.get_by_text("Television is removed.")).to_be_visible()
    expect(page.locator(".exit")).to_have_count(1)
    assert gateway.state.devices[0].policy == BlockedPolicy()


def test_removal_into_the_clear_takes_the_password(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_label("What do they do next?").select_option("direct")
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    question = page.get_by_role("dialog", name="Your password, once more")
    question.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Television is removed.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_unknown_exit_says_so(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/exits/nothing")
    expect(page.get_by_text("There is no such exit")).to_be_visible()
    expect(page.get_by_role("heading", name="Main exit", level=1)).to_have_count(0)


def test_server_changes_by_the_clock(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    open_detail(page, server)
    card = page.get_by_role("region", name="Another server by the clock")
    card.get_by_role("button", name="Add a change").click()
    card.get_by_label("At", exact=True).fill("")
    card.get_by_role("button", name="Add a change").click()
    expect(card.get_by_label("At", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(card.get_by_label("At", exact=True)).to_be_focused()
    card.get_by_label("At", exact=True).fill("03:30")
    for day in ("Tuesday", "Thursday", "Friday", "Sunday"):
        card.get_by_role("checkbox", name=day).press("Space")
    card.get_by_role("button", name="Choose a server or place").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Sweden")).last.click()
    expect(card.get_by_label("To", exact=True)).to_contain_text("Sweden")
    card.get_by_role("button", name="Add a change").click()
    expect(card).to_contain_text("Mon, Wed, Sat, 3:30: Sweden")
    (change,) = settings(gateway, "tv").server_changes
    assert (change.at, change.days, change.select) == (210, frozenset({0, 2, 5}), "fastest:Sweden")
    card.get_by_role("button", name="Remove Mon, Wed, Sat, 3:30: Sweden").press("Enter")
    expect(card.locator("li")).to_have_count(0)
    page.get_by_role("button", name="Undo").last.click()
    expect(card.locator("li")).to_have_count(1)


def test_main_exit_cannot_be_removed_or_renamed(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/exits/default")
    expect(page.get_by_role("heading", name="Main exit", level=1)).to_be_visible()
    expect(page.get_by_label("Name for the API")).to_have_count(0)
    expect(page.get_by_role("button", name="Remove", exact=True)).to_have_count(0)
    expect(page.get_by_text("All devices without a choice of their own leave by it.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_exits_shut_nobody_out(page: Page, server: WebServer, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".exit")).to_have_count(2)
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="New exit").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert barriers(page) == []
    open_detail(page, server)
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_label("Largest packet (MTU)").fill("1")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert barriers(page) == []
