"""The settings: accounts, password, second factor, sessions, keys, backup, network, groups, records, display."""

from __future__ import annotations

import re
import time

import msgspec
import pytest
from playwright.sync_api import Page, expect
from pyotp.totp import TOTP

from app.errors import ConflictError
from app.model import ExitSettings, FailoverSettings, SelfService, WanChoice
from app.protocol.accounts import ProviderDevice
from app.protocol.answers import Opening
from app.protocol.commands import ChooseWan, RestoreBackup, SetSelfService, SignIn, UseFileKey
from app.protocol.events import AccountChanged
from app.protocol.statistics import Transition
from app.protocol.status import ExitState, ExitStatus
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.support.axe import barriers
from tests.support.fake_accounts import ACCOUNT
from tests.support.fake_gateway import FakeGateway
from tests.support.held_requests import HeldRequests
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

SECTIONS = "accounts adding connection password sessions keys devices network traffic history logs backup display about"


@pytest.fixture
def address() -> str:
    return "/settings"


def go(page: Page, section: str) -> None:
    page.get_by_role("navigation", name="Sections").get_by_role("link", name=re.compile(f"^{section}")).click()
    expect(page.get_by_role("heading", level=1, name=section)).to_be_focused()


def confirm_with_password(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_have_count(0)


# --- the list of sections --------------------------------------------------------------------------------------------


def test_sections_are_links_and_back_returns(page: Page) -> None:
    go(page, "Backup and restore")
    expect(page).to_have_url(re.compile("/settings/backup$"))
    expect(page).to_have_title("Backup and restore · VPN Gateway")
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Settings")).to_be_focused()
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name=re.compile("API keys")).press("Enter")
    expect(page.get_by_role("heading", level=1, name="API keys")).to_be_focused()
    page.locator(".back a").click()
    expect(page.get_by_role("link", name=re.compile("API keys"))).to_be_visible()


def test_list_leads_to_groups_and_to_the_first_steps(page: Page) -> None:
    page.get_by_role("link", name=re.compile("^Groups of devices")).click()
    expect(page.get_by_role("heading", level=1, name="Groups")).to_be_focused()
    page.go_back()
    page.get_by_role("link", name=re.compile("^First steps again")).click()
    expect(page.get_by_role("heading", level=1, name="Welcome")).to_be_focused()


def test_unknown_section_shows_those_there_are(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/settings/nonsense")
    expect(page.get_by_text("There is no such section.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Accounts at providers"))).to_be_visible()


# --- accounts --------------------------------------------------------------------------------------------------------


def sign_in(page: Page, number: str = ACCOUNT) -> None:
    page.get_by_label("Account number").fill(number)
    page.get_by_role("button", name="Sign in at Mullvad").click()


def test_account_signs_in_shows_devices_and_signs_out(page: Page) -> None:
    go(page, "Accounts at providers")
    expect(page.get_by_text("It fetches the list of servers.")).to_be_visible()
    sign_in(page, "9" * 16)
    field = page.get_by_label("Account number")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("9" * 16)
    expect(page.get_by_text("The provider does not accept this.")).to_be_visible()

    sign_in(page)
    account = page.locator(".provider").first
    expect(account).to_contain_text("90 days left")
    expect(account).to_contain_text("•••• 1234")
    assert ACCOUNT not in page.content()
    expect(account).to_contain_text("Devices: 2 of 5")
    account.get_by_role("button", name="Remove Old Owl").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(account).to_contain_text("Devices: 1 of 5")
    account.get_by_role("button", name="Fetch the servers").click()
    expect(page.get_by_text("4 servers", exact=True).last).to_be_visible()
    account.get_by_role("button", name="New key").click()
    expect(page.get_by_text("The gateway has a new key.")).to_be_visible()

    account.get_by_role("button", name="Sign out").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("its device is removed from the account")
    dialog.get_by_role("button", name="Leave it").click()
    expect(account).to_contain_text("90 days left")
    account.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Account number")).to_be_visible()


def test_full_account_offers_its_devices(page: Page, gateway: FakeGateway) -> None:
    submit = gateway.submit
    gateway.accounts.devices = tuple(ProviderDevice(f"d-{i}", f"Device {i}") for i in range(5))

    async def full(command: object) -> object:
        if isinstance(command, SignIn) and len(gateway.accounts.devices) == 5:
            raise ConflictError("the account has 5 devices already: remove one first", code="too_many_devices")
        return await submit(command)  # pyright: ignore[reportArgumentType]

    gateway.submit = full  # type: ignore[method-assign]  # pyright: ignore[reportAttributeAccessIssue]
    go(page, "Accounts at providers")
    sign_in(page)
    expect(page.get_by_text("The account has as many devices as it may.")).to_be_visible()
    page.get_by_role("button", name="Remove Device 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("There is room now.")).to_be_visible()
    page.get_by_role("button", name="Sign in at Mullvad").click()  # the input is still there
    expect(page.locator(".provider").first).to_contain_text("90 days left")


def test_key_of_a_file_is_used_and_provider_settings_are_saved(page: Page, gateway: FakeGateway) -> None:
    gateway.accounts.key_files = ("stockholm",)
    go(page, "Accounts at providers")
    page.get_by_role("button", name="Use the key of stockholm").click()
    expect(page.locator(".provider").first).to_contain_text("With the key of")
    assert UseFileKey("mullvad", "stockholm") in gateway.commands
    page.get_by_label("Protection against future quantum computers").select_option("require")
    page.get_by_label("Advertising").click()  # at once: neither undoes the other
    wait_for("the setting", lambda: gateway.accounts.settings.content_blocking == ("ads",))
    assert gateway.accounts.settings.post_quantum == "require"
    told = page.get_by_text("It holds from the next connection on.")
    expect(told).to_be_visible()
    expect(told).to_have_count(0, timeout=20_000)
    page.get_by_label("Trackers").click()
    wait_for("the setting", lambda: gateway.accounts.settings.content_blocking == ("ads", "trackers"))
    expect(told).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    wait_for("the undo", lambda: gateway.accounts.settings.content_blocking == ("ads",))
    assert gateway.accounts.settings.post_quantum == "require"


def test_account_problem_and_another_provider(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    go(page, "Accounts at providers")
    sign_in(page)
    expect(page.locator(".provider").first).to_contain_text("90 days left")
    gateway.accounts.account = msgspec.structs.replace(gateway.accounts.account, problem="account_expired")
    server.run(lambda: gateway.publish(AccountChanged("mullvad", "account_expired")))
    expect(page.get_by_role("alert").filter(has_text="The account at the provider has run out")).to_be_visible()
    page.locator("summary").filter(has_text="Custom").click()
    page.get_by_role("button", name="Use Custom").click()
    expect(page.get_by_text("Custom is used from now on.")).to_be_visible()
    assert gateway.state.provider == "custom"


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("account_expired", "The account at the provider has run out"),
        ("key_revoked", "key"),
        ("wrong_credentials", "The provider does not accept this"),
    ],
)
def test_account_problem_has_its_own_words(page: Page, gateway: FakeGateway, problem: str, words: str) -> None:
    go(page, "Accounts at providers")
    sign_in(page)
    expect(page.locator(".provider").first).to_contain_text("90 days left")
    gateway.accounts.account = msgspec.structs.replace(gateway.accounts.account, problem=problem)
    page.reload()
    expect(page.locator(".provider").first.get_by_role("alert")).to_contain_text(words)


# --- access ----------------------------------------------------------------------------------------------------------


def test_password_is_changed_once_repeated(page: Page) -> None:
    go(page, "Password and second factor")
    card = page.locator(".card").filter(has_text="All other devices are signed out")
    card.get_by_label("Your password").fill(PASSWORD)
    card.get_by_label("New password", exact=True).fill("another good password")
    card.get_by_label("The new password again").fill("another bad password")
    card.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("The two are not the same.")).to_be_visible()
    card.get_by_label("The new password again").fill("another good password")
    card.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("The password was changed.")).to_be_visible()
    expect(card.get_by_label("New password", exact=True)).to_have_value("")


def test_second_factor_is_set_up_and_removed(page: Page) -> None:
    go(page, "Password and second factor")
    card = page.locator(".card").filter(has_text="Second factor")
    card.get_by_label("Your password").fill(PASSWORD)
    card.get_by_role("button", name="Set it up").click()
    qr = card.get_by_role("img", name="QR code for an authenticator app")
    expect(qr).to_be_visible()
    assert qr.evaluate("(image) => image.decode().then(() => image.naturalWidth > 0)")
    secret = card.locator("code").inner_text().replace(" ", "")
    card.get_by_label("Code of your authenticator app").fill(TOTP(secret).now())
    card.get_by_role("button", name="Turn it on").click()
    codes = card.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes.first).to_be_visible()
    recovery = codes.first.inner_text()
    card.get_by_role("button", name="I have kept them").click()
    expect(codes).to_have_count(0)
    assert recovery not in page.content()
    card.get_by_label("Your password").fill(PASSWORD)
    card.get_by_label("Code of your app, or a recovery code").fill(recovery)
    card.get_by_role("button", name="Turn it off").click()
    expect(page.get_by_text("The second factor is off")).to_be_visible()


def test_key_is_shown_once_and_revoked(page: Page) -> None:
    go(page, "API keys")
    page.get_by_label("Name").fill("lights")
    page.get_by_label("May").select_option("connect")
    page.get_by_role("button", name="Make the key").click()
    confirm_with_password(page)
    key = page.get_by_role("list", name="The new key").inner_text().strip()
    assert key.startswith("vgw_")
    expect(page.locator(".row").filter(has_text="lights")).to_contain_text("Look and connect")
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_text(key)).to_have_count(0)
    page.get_by_role("button", name="Revoke lights").click()
    expect(page.get_by_role("dialog")).to_contain_text("is refused at once")
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator(".row").filter(has_text="lights")).to_have_count(0)


def test_sign_out_leads_to_the_sign_in(page: Page) -> None:
    go(page, "Signed in")
    expect(page.locator(".row").first).to_contain_text("This browser")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


# --- backup ----------------------------------------------------------------------------------------------------------


def test_backup_is_downloaded_after_the_password(page: Page) -> None:
    go(page, "Backup and restore")
    expect(page.get_by_text("Not in it: traffic")).to_be_visible()
    card = page.locator(".card").filter(has_text="Keep the passphrase")
    card.get_by_label("Passphrase", exact=True).fill("a long passphrase")
    card.get_by_label("The passphrase again").fill("a long passphrase")
    with page.expect_download() as waiting:
        card.get_by_role("button", name="Make a backup").click()
        confirm_with_password(page)
    assert re.fullmatch(r"vpn-gateway-[\d-]+\.age", waiting.value.suggested_filename)
    assert waiting.value.path().read_bytes().startswith(b"age-encryption.org/v1")


def test_restore_is_checked_and_each_opening_accepted(page: Page, gateway: FakeGateway) -> None:
    gateway.opens = (Opening("direct", "devices that leave in the clear, past the VPN: TV"),)
    go(page, "Backup and restore")
    card = page.locator(".card").filter(has_text="Restore a backup")
    card.get_by_role("button", name="Check it first").click()
    expect(page.get_by_text("Choose a file first.")).to_be_visible()
    page.get_by_label("Backup file").set_input_files(
        {"name": "gateway.age", "mimeType": "application/octet-stream", "buffer": b"age-encryption.org/v1\n"}
    )
    card.get_by_label("Passphrase").fill("a long passphrase")
    card.get_by_role("button", name="Check it first").click()
    expect(card).to_contain_text("Nothing has been changed yet.")
    expect(card).to_contain_text("accounts at providers")
    card.get_by_role("button", name="Restore now").click()
    expect(page.get_by_text("Accept what it opens first")).to_be_visible()
    assert all(one.dry_run for one in gateway.commands if isinstance(one, RestoreBackup))
    card.get_by_label("Devices without the VPN").check()
    card.get_by_role("button", name="Restore now").click()
    confirm_with_password(page)
    expect(page.get_by_text("The network service restarts")).to_be_visible()
    last = [one for one in gateway.commands if isinstance(one, RestoreBackup)][-1]
    assert (last.dry_run, last.accept, last.backup) == (False, ("direct",), b"age-encryption.org/v1\n")


# --- settings --------------------------------------------------------------------------------------------------------


def test_automation_is_saved_at_once_and_undone(page: Page, gateway: FakeGateway) -> None:
    def kept() -> FailoverSettings:
        return gateway.accounts.preferences.failover

    before = msgspec.structs.replace(kept(), countries=("Sweden",))
    gateway.accounts.preferences = msgspec.structs.replace(gateway.accounts.preferences, failover=before)
    page.reload()
    go(page, "Automation")
    page.get_by_label("The other server may be").select_option("anywhere")
    wait_for("the setting", lambda: kept().scope == "anywhere")
    assert kept().countries == ("Sweden",)
    page.get_by_role("button", name="Undo").click()
    wait_for("the undo", lambda: kept().scope == before.scope)
    switch = page.get_by_role("switch", name="Switch to another server when one fails")
    switch.press("Space")
    wait_for("the setting", lambda: not kept().enabled)
    expect(switch).not_to_be_checked()
    expect(page.get_by_label("The other server may be")).to_be_disabled()


def test_parts_of_one_setting_changed_at_once_both_count(page: Page, gateway: FakeGateway) -> None:
    go(page, "Automation")
    held = HeldRequests(page, "**/api/settings", "PATCH")
    with held.one_more():
        page.get_by_label("The other server may be").select_option("anywhere")
    page.get_by_role("switch", name="Return to the chosen server").press("Space")
    held.release()
    expect(page.get_by_role("switch", name="Return to the chosen server")).not_to_be_checked()
    wait_for("the second", lambda: not gateway.accounts.preferences.failover.return_to_first)
    assert gateway.accounts.preferences.failover.scope == "anywhere"


def test_part_changed_while_another_is_undone_counts(page: Page, gateway: FakeGateway) -> None:
    go(page, "Automation")
    page.get_by_role("switch", name="Return to the chosen server").press("Space")
    wait_for("the first", lambda: not gateway.accounts.preferences.failover.return_to_first)
    held = HeldRequests(page, "**/api/settings", "PATCH")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    page.get_by_label("The other server may be").select_option("anywhere")
    held.release()
    held.wait_for("the second", lambda: gateway.accounts.preferences.failover.scope == "anywhere")
    expect(page.get_by_role("switch", name="Return to the chosen server")).to_be_checked()
    assert gateway.accounts.preferences.failover.return_to_first


def test_part_changed_while_what_devices_may_is_undone_counts(page: Page, gateway: FakeGateway) -> None:
    gateway.explanations.everybody = SelfService("exit")
    go(page, "Devices in general")
    page.get_by_role("switch", name="Main exit").press("Space")
    expect(page.get_by_text("Saved", exact=False)).to_be_visible()
    held = HeldRequests(page, "**/api/self-service", "PUT")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    page.get_by_label("Everybody may choose").select_option("off")
    held.pass_by("/api/self-service")
    held.release()
    held.wait_for("both", lambda: gateway.explanations.everybody == SelfService("off"))


def test_exits_that_devices_may_choose_are_ticked_one_by_one(page: Page, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(
        gateway.state,
        exits=(*gateway.state.exits, ExitStatus("tv", ExitState.DISCONNECTED)),
        exit_settings=(ExitSettings("default"), ExitSettings("tv", "Television")),
    )
    page.reload()
    go(page, "Devices in general")
    page.get_by_label("Everybody may choose").select_option("exit")
    first, second = (page.get_by_role("switch", name=name) for name in ("Main exit", "Television"))
    expect(first).to_be_checked()
    expect(second).to_be_checked()
    held = HeldRequests(page, "**/api/self-service", "PUT")
    first.press("Space")
    second.press("Space")
    held.release()
    expect(second).not_to_be_checked()
    expect(first).not_to_be_checked()
    assert gateway.explanations.everybody.exits == ()


def test_refused_value_stays_with_its_reason(page: Page, gateway: FakeGateway) -> None:
    go(page, "Network")
    field = page.get_by_label("mullvad")
    field.fill("20")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("20")
    field.fill("1380")
    field.press("Enter")
    wait_for("the MTU", lambda: dict(gateway.accounts.preferences.mtu.providers) == {"mullvad": 1380})
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_names_time_zone_and_port(page: Page, gateway: FakeGateway) -> None:
    go(page, "Network")
    hosts = page.locator(".card").filter(has_text="Names of this page")
    hosts.get_by_label("Name").fill("gateway.home.example")
    hosts.get_by_role("button", name="Add").click()
    expect(hosts.locator(".row")).to_contain_text("gateway.home.example")
    assert gateway.accounts.preferences.host_names == ("gateway.home.example",)
    hosts.get_by_role("button", name="Remove gateway.home.example").click()
    expect(hosts.locator(".row")).to_have_count(0)
    zone = page.get_by_label("Name of the time zone")
    zone.fill("Europe/Berlin")
    zone.press("Enter")
    wait_for("the zone", lambda: gateway.accounts.preferences.time_zone == "Europe/Berlin")
    page.get_by_role("button", name="Use eth1 to the Internet").click()
    expect(page.get_by_role("dialog")).to_contain_text("look at its cable first")
    page.get_by_role("dialog").get_by_role("button", name="Change it").click()
    wait_for("the port", lambda: ChooseWan("eth1") in gateway.commands)


def test_port_fixed_by_the_card_offers_no_choice(page: Page, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, wan_choice=WanChoice("usb-1.7", "network.wan"))
    go(page, "Network")
    expect(page.get_by_text("network.wan")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("to the Internet$"))).to_have_count(0)


def test_port_that_is_gone_is_told(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    server.run(gateway.lose_wan)
    go(page, "Network")
    gateway.failure = ConflictError("the port is not there any more", field="port")
    page.get_by_role("button", name="Use eth1 to the Internet").click()
    page.get_by_role("dialog").get_by_role("button", name="Change it").click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("not there any more", re.IGNORECASE))).to_be_visible()


def test_letting_all_devices_out_asks_for_the_password(page: Page, gateway: FakeGateway) -> None:
    go(page, "Devices in general")
    menu = page.get_by_label("Devices without a rule of their own")
    menu.select_option("direct")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(menu).to_have_value("vpn")  # called off: nothing has changed
    page.get_by_label("A device that was never here").select_option("wait")
    wait_for("the setting", lambda: gateway.accounts.preferences.new_device_policy == "wait")
    page.get_by_label("Everybody may choose").select_option("exit")
    wait_for("the leave", lambda: any(isinstance(one, SetSelfService) for one in gateway.commands))
    expect(page.get_by_role("switch", name="Main exit")).to_be_checked()


# --- records ---------------------------------------------------------------------------------------------------------


def test_traffic_is_drawn_summed_and_saved(page: Page) -> None:
    go(page, "Traffic")
    expect(page.get_by_role("img", name="Traffic").locator("canvas")).to_be_visible()
    expect(page.locator(".summary")).to_contain_text("90 kB down and 1.1 kB up; the most at")
    expect(page.get_by_role("region", name="Devices")).to_contain_text("phone")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="File for spreadsheets (CSV)").click()
    assert waiting.value.path().read_text().startswith("time_utc,bytes_down,bytes_up,covered\n")
    page.get_by_label("Of").select_option("exit=default")
    expect(page.locator(".summary")).to_contain_text("90 kB down and 1.1 kB up")
    page.get_by_label("The last").select_option("52w")
    expect(page.locator(".summary")).to_contain_text("90 kB down and 1.1 kB up")


def test_history_is_drawn_and_told(page: Page, gateway: FakeGateway) -> None:
    now = time.time()
    steps = [("connected", "blocked", 3600), ("blocked", "connected", 1800), ("connected", "disconnected", 900)]
    gateway.records.history = [
        Transition(id=number, time=now - ago, exit="default", before=before, after=after, cause="tunnel_dead")
        for number, (before, after, ago) in reversed(list(enumerate(steps, 1)))
    ]
    go(page, "History")
    page.get_by_label("The last").select_option("24h")
    strip = page.get_by_role("img", name=re.compile("Main exit: Connected 96.9% of the time. Lost 1 time."))
    expect(strip.locator("rect")).to_have_count(4)
    expect(page.locator(".row.history")).to_have_count(3)


def test_history_pages_and_log_is_searched(page: Page, gateway: FakeGateway) -> None:
    go(page, "History")
    rows = page.locator(".row.history")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("the server answered")
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(100)
    expect(page.get_by_role("link", name="File for spreadsheets (CSV)")).to_have_attribute("href", "/api/history.csv")
    go(page, "Log")
    expect(page.locator(".log li").first).to_contain_text("line 3")
    page.get_by_label("Search the log").fill("line 2")
    expect(page.locator(".log li")).to_have_count(1)


def test_history_grows_as_it_happens(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    go(page, "History")
    rows = page.locator(".row.history")
    expect(rows).to_have_count(50)
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
    expect(rows.first).to_contain_text("Blocked · <b>vpn</b>")
    expect(rows.first).to_contain_text(
        "second · the server stopped answering · after 1 hr 1 min · 2 MB down, 10 bytes up"
    )


def test_support_file_is_downloaded(page: Page) -> None:
    go(page, "About")
    with page.expect_download() as waiting:
        page.get_by_role("link", name=re.compile("[Ss]upport file")).click()
    assert re.fullmatch(r"vpn-gateway-support-\d{4}-\d\d-\d\d\.txt", waiting.value.suggested_filename)
    assert waiting.value.path().read_text() == "VPN Gateway: support file\n"


# --- this browser ----------------------------------------------------------------------------------------------------


def test_language_and_theme_are_kept(page: Page) -> None:
    go(page, "Language and look")
    page.get_by_label("Light or dark").select_option("dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(14, 19, 25)")
    page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("heading", level=1, name="Sprache und Aussehen")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", level=1, name="Sprache und Aussehen")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", "rgb(14, 19, 25)")


def test_about_names_versions_and_licences(page: Page) -> None:
    go(page, "About")
    expect(page.locator(".facts")).to_contain_text("0.1.0")
    licence = page.locator(".row").filter(has_text="preact").first.get_by_role("link")
    answer = page.request.get(page.evaluate("(link) => link.href", licence.element_handle()))
    assert answer.ok


@pytest.mark.parametrize("width", [320, 1280])
def test_sections_shut_nobody_out(page: Page, server: WebServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    found: dict[str, list[str]] = {}
    for section in ("", *SECTIONS.split()):
        page.goto(f"{server.url}/settings/{section}".rstrip("/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("Asking the gateway")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, section
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if problems := barriers(page):
                found[f"{section} {scheme}"] = problems
    assert found == {}
