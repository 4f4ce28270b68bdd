"""The page's account at a provider, favourites, recent servers and automation settings."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.errors import ConflictError
from app.model import FailoverSettings, ServerChange
from app.protocol.accounts import ProviderDevice
from app.protocol.commands import Connect, SignIn, UseFileKey
from app.protocol.events import AccountChanged, ServersChanged
from ci.labnet.waiting import wait_for
from tests.support.fake_accounts import ACCOUNT
from tests.support.fake_gateway import FakeGateway
from tests.support.fake_gateway import server as make_server
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser


@pytest.fixture
def address() -> str:
    return "/classic"


def sign_in(page: Page, number: str = ACCOUNT) -> None:
    page.get_by_label("Account number").fill(number)
    page.locator("#account").get_by_role("button", name="Sign in").click()


def test_account_sign_in_shows_devices_until_sign_out(page: Page, gateway: FakeGateway) -> None:
    number = page.get_by_label("Account number")
    expect(number).to_have_attribute("type", "password")
    sign_in(page, "9" * 16)
    expect(page.locator("#account .error").first).to_have_text("No such account")
    expect(number).to_be_focused()
    expect(number).to_have_value("9" * 16)

    sign_in(page)
    account = page.locator("#account")
    expect(account.locator("summary")).to_have_text(re.compile("Mullvad •••• 1234.*90 days left"))
    assert ACCOUNT not in page.content()
    account.locator("summary").click()
    expect(account).to_contain_text("Happy Hippo")
    expect(account).to_contain_text("Devices: 2 of 5")
    account.get_by_role("button", name="Remove Old Owl").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(account).to_contain_text("Devices: 1 of 5")
    account.get_by_role("button", name="Fetch servers").click()
    expect(page.get_by_text("4 servers", exact=True)).to_be_visible()

    account.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Account number")).to_be_visible()


def test_sign_in_with_too_many_devices_offers_removal(page: Page, gateway: FakeGateway) -> None:
    submit = gateway.submit
    gateway.accounts.devices = tuple(ProviderDevice(f"d-{i}", f"Device {i}") for i in range(5))

    async def full(command: object) -> object:
        if isinstance(command, SignIn) and len(gateway.accounts.devices) == 5:
            raise ConflictError("the account has 5 devices already: remove one first", code="too_many_devices")
        return await submit(command)  # pyright: ignore[reportArgumentType]

    gateway.submit = full  # type: ignore[method-assign]  # pyright: ignore[reportAttributeAccessIssue]
    sign_in(page)
    expect(page.get_by_text("The account has 5 devices already")).to_be_visible()
    page.get_by_role("button", name="Remove Device 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator(".room")).to_have_count(0)
    page.locator("#account").get_by_role("button", name="Sign in").click()  # the input is still there
    expect(page.locator("#account")).to_contain_text("90 days left")


def test_fastest_in_a_country_and_favourites_reach_the_gateway(
    page: Page, server: WebServer, gateway: FakeGateway
) -> None:
    sign_in(page)
    expect(page.locator("#account")).to_contain_text("90 days left")
    page.get_by_label("Search servers").fill("sweden")
    page.get_by_role("button", name="Fastest").click()
    expect(page.locator("#fact-ip")).to_be_hidden()
    sent = wait_for("the request", lambda: [c.server for c in gateway.commands if isinstance(c, Connect)])
    assert sent == ["fastest:Sweden"]
    expect(page.locator("#choose-fastest")).to_be_enabled()

    page.get_by_label("Search servers").fill("")
    star = page.get_by_role("button", name="de-ber-wg-001 is a favourite")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Favourites").click()
    expect(page.locator(".server .name")).to_have_text(["de-ber-wg-001"])
    assert gateway.accounts.preferences.favourites == ("mullvad/de-ber-wg-001",)


def test_recent_servers_are_listed_newest_first(page: Page, gateway: FakeGateway) -> None:
    sign_in(page)
    expect(page.locator("#account")).to_contain_text("90 days left")
    button = page.get_by_role("button", name="Recent")
    button.click()
    expect(page.get_by_text("No recent servers yet.")).to_be_visible()
    button.click()
    gateway.accounts.preferences = msgspec.structs.replace(
        gateway.accounts.preferences,
        recent=("mullvad/se-sto-wg-001", "imported/home", "mullvad/gone", "mullvad/de-ber-wg-001"),
    )
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".server .name")).to_have_text(["se-sto-wg-001", "de-ber-wg-001"])
    page.get_by_label("Search servers").fill("germany")
    expect(page.locator(".server .name")).to_have_text(["de-ber-wg-001"])
    page.get_by_label("Search servers").fill("")
    gateway.accounts.preferences = msgspec.structs.replace(
        gateway.accounts.preferences, recent=("mullvad/de-ber-wg-001", "mullvad/se-sto-wg-001")
    )
    page.get_by_role("button", name="Connect to de-ber-wg-001").click()
    expect(page.locator(".server .name")).to_have_text(["de-ber-wg-001", "se-sto-wg-001"])
    button.click()
    expect(page.locator(".country").first).to_be_visible()


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("account_expired", "The account has expired"),
        ("key_revoked", "no longer knows this gateway's key"),
        ("wrong_credentials", "The provider refuses the account"),
    ],
)
def test_account_problem_has_its_own_text(
    page: Page, server: WebServer, gateway: FakeGateway, problem: str, words: str
) -> None:
    sign_in(page)
    expect(page.locator("#account")).to_contain_text("90 days left")
    gateway.accounts.account = msgspec.structs.replace(gateway.accounts.account, problem=problem)
    server.run(lambda: gateway.publish(AccountChanged("mullvad", problem)))
    expect(page.locator("#account").get_by_role("alert")).to_contain_text(words)


def test_automation_setting_is_saved_at_once(page: Page, gateway: FakeGateway) -> None:
    gateway.accounts.preferences = msgspec.structs.replace(
        gateway.accounts.preferences, failover=FailoverSettings(countries=("Sweden",))
    )
    page.get_by_text("Automation").click()
    scope = page.get_by_label("Where the other server may be")
    scope.select_option("anywhere")
    page.get_by_label("Connect when the gateway starts").uncheck()
    expect(page.get_by_label("Connect when the gateway starts")).not_to_be_checked()
    page.get_by_label("Switch to another server").uncheck()
    expect(scope).to_be_disabled()
    kept = gateway.accounts.preferences
    assert kept.failover == FailoverSettings(enabled=False, scope="anywhere", countries=("Sweden",))
    assert kept.connect_at_boot is False

    page.get_by_label("Time of the change").fill("03:15")
    page.get_by_label("Which server to change to").select_option("fastest")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("03:15, every day: fastest")).to_be_visible()
    assert gateway.accounts.preferences.server_changes == (ServerChange(195, select="fastest"),)
    page.get_by_role("button", name="Remove the change at 03:15").click()
    expect(page.get_by_text("03:15, every day: fastest")).to_have_count(0)
    assert gateway.accounts.preferences.server_changes == ()


def test_ten_thousand_servers_open_and_search_fast(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    gateway.servers = [
        msgspec.structs.replace(
            make_server(f"s{i:05}", "mullvad", f"Country {i % 4}", f"City {i % 97}", "192.0.2.1"), load=float(i % 100)
        )
        for i in range(10_000)
    ]
    server.run(lambda: gateway.publish(ServersChanged("mullvad")))
    expect(page.locator(".country .count").first).to_have_text("2,500 servers")
    opening = page.evaluate(
        """() => new Promise((done) => {
          const before = performance.now();
          document.querySelector(".country summary").click();
          requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - before)));
        })"""
    )
    typing = page.evaluate(
        """() => new Promise((done) => {
          const before = performance.now();
          const search = document.getElementById("search");
          search.value = "s0999";
          search.dispatchEvent(new Event("input"));
          requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - before)));
        })"""
    )
    expect(page.locator(".server")).to_have_count(10)
    print(f"opening 2,500 servers {opening:.0f} ms, searching 10,000 {typing:.0f} ms")
    assert opening < 2000, opening
    assert typing < 1000, typing


FILE_KEY_CONF = "[Interface]\nPrivateKey = x\n[Peer]\nEndpoint = se-sto.mullvad.net:51820\n"


def import_file(page: Page, name: str) -> None:
    page.locator("#import-name").fill(name)
    page.locator("#import-config").fill(FILE_KEY_CONF)
    page.locator("#import-form").get_by_role("button", name="Import").click()


def test_import_offers_the_whole_list_and_one_click_accepts_it(page: Page, gateway: FakeGateway) -> None:
    import_file(page, "stockholm")
    offer = page.locator("#import-form .file-key")
    expect(offer).to_contain_text("This is a file of Mullvad. Its key and address work with all 4 servers of Mullvad")
    offer.get_by_role("button", name="Use it for all of Mullvad").click()
    expect(page.locator("#account summary")).to_contain_text("Mullvad")
    expect(page.locator("#account summary")).to_contain_text("with the key of stockholm")
    assert UseFileKey("mullvad", "stockholm") in gateway.commands
    assert gateway.state.provider == "mullvad"  # whose servers are shown now
    expect(offer).to_have_count(0)
    account = page.locator("#account")
    account.locator("summary").click()
    expect(account.get_by_role("button", name="New key")).to_have_count(0)
    account.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog")).to_contain_text("forgets the key")
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Account number")).to_be_visible()


def test_offer_is_also_beside_the_sign_in_form_and_a_refusal_is_shown(page: Page, gateway: FakeGateway) -> None:
    expect(page.locator("#account .key-files")).to_contain_text("One imported .conf file of Mullvad is enough")
    gateway.accounts.key_files = ("stockholm", "oslo")
    gateway.publish(ServersChanged("imported", added="oslo"))
    button = page.locator("#account").get_by_role("button", name="Use the key of oslo")
    expect(button).to_be_visible()
    gateway.failure = ConflictError("the server of oslo is not in Mullvad's list", field="server", code="not_its_file")
    button.click()
    expect(page.get_by_text("The server of oslo is not in Mullvad's list")).to_be_visible()
    gateway.failure = None
    button.click()
    expect(page.locator("#account summary")).to_contain_text("with the key of oslo")


def test_later_import_without_an_offer_removes_the_old_one(page: Page, gateway: FakeGateway) -> None:
    import_file(page, "stockholm")
    expect(page.locator("#import-form .file-key")).to_have_count(1)
    page.locator("#import-name").fill("work")
    page.locator("#import-config").fill("[Interface]\n")
    page.locator("#import-form").get_by_role("button", name="Import").click()
    expect(page.locator("#import-form .file-key")).to_have_count(0)
