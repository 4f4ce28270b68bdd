"""The server chooser: search, places, favourites, filters, other exits, multihop, ten thousand servers."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.errors import ConnectTimeoutError
from app.model import ExitSettings, Server
from app.protocol.commands import ChangeExit, Connect, RemoveCustomServer
from app.protocol.events import ServersChanged
from app.protocol.status import ExitState, ExitStatus
from tests.support.axe import barriers
from tests.support.fake_gateway import SERVERS, FakeGateway
from tests.support.held_requests import HeldRequests
from tests.support.pauses import least
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV = ExitStatus("tv", ExitState.DISCONNECTED)
FIGURES = {
    "se-sto-wg-001": {"latency": 31.2, "load": 12.0, "owned": True, "features": ("daita", "multihop")},
    "se-sto-wg-002": {"latency": 12.4, "load": 80.0, "owned": False, "features": ("multihop",)},
    "se-got-wg-001": {"latency": 18.0, "load": 30.0, "owned": True, "features": ()},
}
MANY = 10_000
MIDDLE_FRAME = """async () => {
  const gaps = [];
  let last = performance.now();
  for (let i = 0; i < 60; i += 1) {
    window.scrollBy(0, 900);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  return gaps.sort((a, b) => a - b)[gaps.length / 2];
}"""
# Milliseconds from the text to the rows that it finds, few or many; null = they do not come.
SEARCH = """async (input, [text, few]) => {
  const began = performance.now();
  input.value = text;
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
  while ((document.querySelectorAll(".virtual li").length < 10) !== few) {
    if (performance.now() - began > 10_000) return null;
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - began;
}"""


@pytest.fixture
def address() -> str:
    return "/servers"


@pytest.fixture(autouse=True)
def known(page: Page, gateway: FakeGateway) -> None:
    gateway.servers = [msgspec.structs.replace(each, **FIGURES.get(each.hostname, {})) for each in SERVERS]
    gateway.state = msgspec.structs.replace(
        gateway.state,
        exits=(*gateway.state.exits, TV),
        exit_settings=(ExitSettings("default"), ExitSettings("tv", label="Television")),
    )
    page.reload()
    expect(page.get_by_role("list", name="Where Main exit leaves")).to_be_visible()


def rows(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".virtual .pick-name").all_inner_texts()]


def connected(gateway: FakeGateway) -> Connect:
    return [each for each in gateway.commands if isinstance(each, Connect)][-1]


def test_search_finds_country_city_and_server_as_one_types(page: Page) -> None:
    search = page.get_by_label("Search countries, cities, servers")
    search.fill("gothen")
    expect(page.locator(".virtual li")).to_have_count(3)
    assert rows(page) == ["Sweden", "Gothenburg", "se-got-wg-001"]
    expect(page.get_by_role("button", name=re.compile("^Sweden"))).to_have_count(0)  # two thirds of it are not shown
    expect(page.get_by_role("button", name="Gothenburg 1 server")).to_be_visible()
    search.fill("sto 002")
    expect(page.get_by_text("1 server", exact=True).first).to_be_visible()
    search.fill("GERMANY")
    expect(page.locator(".virtual")).to_contain_text("de-ber-wg-001")
    search.fill("nothing like it")
    expect(page.get_by_text("No server matches")).to_be_visible()


def test_country_is_found_in_the_readers_language(page: Page) -> None:
    page.evaluate("localStorage.setItem('vpn-gateway.language', 'de')")
    page.reload()
    page.get_by_label("Länder, Städte, Server suchen").fill("schweden")
    expect(page.locator(".virtual")).to_contain_text("Schweden: schnellster")
    expect(page.locator(".virtual")).to_contain_text("se-sto-wg-001")


def test_one_press_chooses_a_place_and_is_undone(page: Page, gateway: FakeGateway) -> None:
    page.get_by_role("button", name=re.compile(r"^Sweden \d+ servers")).click()
    expect(page.get_by_role("status").filter(has_text="Main exit now leaves by Sweden.")).to_be_visible()
    assert connected(gateway) == Connect("fastest:Sweden", "default", "mullvad")
    used = page.locator(".choice[data-used=true]")
    expect(used).to_contain_text("se-sto-wg-002")  # the fastest that was measured
    expect(used).to_contain_text("In use")
    page.get_by_role("button", name=re.compile("^de-ber-wg-001 Berlin")).click()
    expect(used).to_contain_text("de-ber-wg-001")
    page.locator(".toast").last.get_by_role("button", name="Undo").click()
    expect(used).to_contain_text("se-sto-wg-002")
    assert connected(gateway).server == "fastest:Sweden"


def test_failure_is_told_in_a_sentence(page: Page, gateway: FakeGateway) -> None:
    gateway.failure = ConnectTimeoutError("no handshake with de-ber-wg-001 in 15 s: its port may be closed")
    page.get_by_role("button", name=re.compile("^de-ber-wg-001 Berlin")).click()
    expect(page.get_by_role("alert")).to_contain_text("No handshake with de-ber-wg-001")
    expect(page.locator(".choice[data-used=true]")).to_have_count(0)


def test_fastest_names_what_was_measured(page: Page, gateway: FakeGateway) -> None:
    fastest = page.get_by_role("button", name="Fastest se-sto-wg-002 answers in 12 ms")
    fastest.click()
    expect(page.get_by_text("Main exit now leaves by Fastest.")).to_be_visible()
    assert connected(gateway).server == "fastest"


def test_favourites_and_recent_come_first(page: Page, gateway: FakeGateway) -> None:
    star = page.get_by_role("button", name="de-ber-wg-001 is a favourite")
    star.click()
    expect(page.get_by_role("heading", name="Favourites")).to_be_visible()
    expect(star.first).to_have_attribute("aria-pressed", "true")
    gateway.accounts.preferences = msgspec.structs.replace(
        gateway.accounts.preferences, recent=("mullvad/se-got-wg-001", "mullvad/de-ber-wg-001", "custom/vpn-de")
    )
    page.reload()
    expect(page.get_by_role("heading", name="Recent")).to_be_visible()
    assert rows(page)[:4] == ["Fastest", "Any server", "de-ber-wg-001", "se-got-wg-001"]


def test_chips_narrow_and_the_menu_orders(page: Page, gateway: FakeGateway) -> None:
    owned = page.get_by_role("button", name="Owned", exact=True)
    owned.click()
    expect(owned).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("2 servers", exact=True).first).to_be_visible()
    page.get_by_role("button", name="DAITA", exact=True).click()
    expect(page.get_by_text("1 server", exact=True).first).to_be_visible()
    owned.click()
    page.get_by_role("button", name="DAITA", exact=True).click()
    page.get_by_label("Order").select_option("latency")
    assert rows(page)[2:] == ["se-sto-wg-002", "se-got-wg-001", "se-sto-wg-001", "de-ber-wg-001"]
    page.get_by_label("Order").select_option("load")
    assert rows(page)[2] == "se-sto-wg-001"
    expect(page.locator(".virtual")).to_contain_text("80 % busy")


def test_fastest_within_a_filter_is_a_server_of_it(page: Page, gateway: FakeGateway) -> None:
    page.get_by_role("button", name="Owned", exact=True).click()
    page.get_by_role("button", name=re.compile("^Fastest se-got-wg-001")).click()
    expect(page.locator(".choice[data-used=true]")).to_contain_text("se-got-wg-001")
    assert connected(gateway).server == "se-got-wg-001"


def test_other_exit_is_chosen_for_and_keeps_its_first_choice(
    page: Page, server: WebServer, gateway: FakeGateway
) -> None:
    page.get_by_label("Exit that is changed").select_option("Television")
    expect(page).to_have_url(f"{server.url}/servers/tv")
    page.get_by_role("button", name=re.compile(r"^Germany")).click()
    expect(page.get_by_text("Television now leaves by Germany.")).to_be_visible()
    assert connected(gateway) == Connect("fastest:Germany", "tv", "mullvad")
    change = next(each for each in gateway.commands if isinstance(each, ChangeExit))
    assert (change.name, change.change.target, change.change.provider) == ("tv", "fastest:Germany", "mullvad")
    page.go_back()
    expect(page.get_by_label("Exit that is changed")).to_have_value("default")


def test_own_server_is_removed_after_a_question(page: Page, gateway: FakeGateway) -> None:
    page.get_by_label("Provider").select_option("custom")
    page.get_by_role("button", name="Remove vpn-de").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Its keys are deleted too.")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("vpn-de is removed, with its keys.")).to_be_visible()
    expect(page.locator(".virtual")).not_to_contain_text("vpn-de")
    assert RemoveCustomServer("vpn-de") in gateway.commands


def test_multihop_entry_is_chosen_and_taken_back(page: Page, gateway: FakeGateway) -> None:
    card = page.get_by_role("region", name="Multihop is off")
    card.get_by_role("button", name="Choose the entry").click()
    dialog = page.get_by_role("dialog", name="Where traffic enters")
    dialog.get_by_label("Search countries, cities, servers").fill("got")
    dialog.get_by_role("button", name=re.compile("^se-got-wg-001")).first.click()
    expect(page.get_by_role("region", name="Multihop: in at se-got-wg-001")).to_be_visible()
    assert gateway.accounts.settings.multihop_entry == "se-got-wg-001"
    page.get_by_role("button", name="Undo").click()
    expect(card).to_be_visible()
    assert gateway.accounts.settings.multihop_entry is None


def test_setting_changed_while_the_entry_is_undone_counts(page: Page, gateway: FakeGateway) -> None:
    card = page.get_by_role("region", name="Multihop is off")
    card.get_by_role("button", name="Choose the entry").click()
    dialog = page.get_by_role("dialog", name="Where traffic enters")
    dialog.get_by_role("button", name=re.compile("^se-got-wg-001")).first.click()
    expect(page.get_by_role("region", name="Multihop: in at se-got-wg-001")).to_be_visible()
    held = HeldRequests(page, "**/api/providers/*/settings", "PUT")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    page.get_by_role("navigation", name="Places").get_by_role("link", name="Settings").click()
    page.get_by_role("link", name=re.compile("^Accounts at providers")).click()
    page.get_by_label("Advertising").click()
    held.pass_by("/api/providers/mullvad")
    held.release()
    held.wait_for("the blocking", lambda: gateway.accounts.settings.content_blocking == ("ads",))
    assert gateway.accounts.settings.multihop_entry is None


def test_list_follows_the_gateway(page: Page, server: WebServer, gateway: FakeGateway) -> None:
    gateway.servers.append(Server("fi-hel-wg-001", "mullvad", "Finland", "Helsinki", "192.0.2.9"))
    server.run(lambda: gateway.publish(ServersChanged("mullvad", servers=5)))
    expect(page.locator(".virtual")).to_contain_text("Finland")


def test_provider_without_account_says_what_to_do(page: Page, gateway: FakeGateway) -> None:
    gateway.servers = []
    page.reload()
    expect(page.get_by_text("Sign in at Mullvad first")).to_be_visible()
    page.get_by_label("Provider").select_option("imported")
    expect(page.get_by_text("No servers yet")).to_be_visible()


def test_slash_leads_to_the_search(page: Page) -> None:
    search = page.get_by_role("searchbox")
    expect(search).to_be_visible()
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("a/b")
    expect(search).to_have_value("a/b")


def test_keyboard_goes_from_search_to_row_to_row(page: Page, gateway: FakeGateway) -> None:
    page.get_by_label("Search countries, cities, servers").focus()
    page.keyboard.type("sweden")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name=re.compile("^Fastest in Sweden"))).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Main exit now leaves by Sweden.")).to_be_visible()


def test_map_shows_the_cities_and_narrows_the_list(page: Page, gateway: FakeGateway) -> None:
    degrees = {"Stockholm": (59.3, 18.1), "Gothenburg": (57.7, 12.0), "Berlin": (52.5, 13.4)}
    gateway.servers = [
        msgspec.structs.replace(each, latitude=degrees[each.city][0], longitude=degrees[each.city][1])
        for each in gateway.servers
    ]
    page.reload()
    spots = page.locator(".map .spot")
    expect(spots).to_have_count(3)
    spots.filter(has_text="Gothenburg Sweden: 1 server").locator("circle").last.click()
    expect(page.get_by_label("Search countries, cities, servers")).to_have_value("Gothenburg Sweden")
    expect(page.get_by_text("1 server", exact=True).first).to_be_visible()
    expect(page.locator(".map")).to_have_count(0)  # one place needs none


@pytest.fixture
def many(page: Page, gateway: FakeGateway) -> None:
    gateway.servers = [
        Server(
            f"x-{n:05}", "mullvad", f"Country {n // 500:02}", f"City {n // 50:03}", "192.0.2.1", latency=n % 300 + 1.0
        )
        for n in range(MANY)
    ]
    page.reload()
    expect(page.get_by_text(f"{MANY:,} servers", exact=True).first).to_be_visible()


@pytest.mark.usefixtures("many")
def test_ten_thousand_servers_stay_smooth(page: Page) -> None:
    page.get_by_label("Order").select_option("latency")
    expect(page.locator(".virtual")).to_contain_text("x-00000")
    assert least(lambda: page.evaluate(MIDDLE_FRAME), 50) < 50
    assert page.locator(".virtual li").count() < 60
    assert page.locator(".virtual li").first.get_attribute("aria-setsize") == str(MANY + 2)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".virtual li").last).to_have_attribute("aria-posinset", str(MANY + 2))

    def search(text: str, *, few: bool) -> float:
        found = page.get_by_label("Search countries, cities, servers").evaluate(SEARCH, [text, few])
        assert found is not None, f"the rows do not follow the search for {text!r}"
        return found

    def search_anew() -> float:
        search("", few=False)
        return search("city 199 x-09999", few=True)

    assert least(search_anew, 1000) < 1000
    expect(page.get_by_text("1 server", exact=True).first).to_be_visible()
    expect(page.locator(".virtual")).to_contain_text("x-09999")


@pytest.mark.usefixtures("many")
def test_arrow_keys_reach_rows_out_of_sight(page: Page) -> None:
    page.get_by_label("Order").select_option("latency")
    page.locator(".virtual button").first.focus()
    for _ in range(40):
        page.keyboard.press("ArrowDown")
    focused = page.locator(".virtual li:focus-within")
    expect(focused).to_have_attribute("aria-posinset", "41")
    expect(focused.locator("button").first).to_be_in_viewport()


@pytest.mark.usefixtures("many")
def test_no_arrow_key_is_lost_between_two_frames(page: Page) -> None:
    page.get_by_label("Order").select_option("latency")
    page.locator(".virtual button").first.focus()
    page.evaluate(
        """async () => {
          for (let n = 0; n < 40; n += 1) {
            const key = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true });
            document.activeElement.dispatchEvent(key);
            await null; // as after each event of a browser: what waits for the event's end, and no frame
          }
        }"""
    )
    focused = page.locator(".virtual li:focus-within")
    expect(focused).to_have_attribute("aria-posinset", "41")
    expect(focused.locator("button").first).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_servers_shut_nobody_out(page: Page, gateway: FakeGateway, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="de-ber-wg-001 is a favourite").click()
    expect(page.get_by_role("heading", name="Favourites")).to_be_visible()
    page.get_by_role("button", name=re.compile("^se-got-wg-001")).first.click()
    expect(page.locator(".choice[data-used=true]").first).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    page.evaluate("window.scrollTo(0, 0)")  # the search, which stays on top, covers half a row elsewhere
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Choose the entry").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.get_by_label("Search countries, cities, servers").fill("nothing like it")
    expect(page.get_by_text("No server matches")).to_be_visible()
    assert barriers(page) == []
