"""Groups of devices: make, name, members, policy, times, remove."""

from __future__ import annotations

import msgspec
import pytest
from playwright.sync_api import Page, expect

from app.model import BlockedPolicy, Device, Group, ScheduleEntry, VpnPolicy
from app.protocol.commands import Bulk, ChangeDevice, RemoveGroup, SetGroup
from ci.labnet.waiting import wait_for
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.held_requests import HeldRequests
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

TV, TABLET = "02:00:00:00:00:01", "02:00:00:00:00:03"
BEDTIME = ScheduleEntry(frozenset(range(7)), 1260, 420, BlockedPolicy())


@pytest.fixture
def address() -> str:
    return "/devices/groups"


@pytest.fixture(autouse=True)
def household(page: Page, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(
        gateway.state,
        devices=(Device(TV, VpnPolicy(), "Telly"), Device(TABLET, VpnPolicy(), "Tablet", group="Children", own=False)),
        groups=(Group("Children", VpnPolicy(), (BEDTIME,)),),
    )
    page.reload()


def test_list_of_devices_leads_to_groups(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/devices")
    page.get_by_role("link", name="Groups").click()
    expect(page.get_by_role("heading", name="Groups", level=1)).to_be_focused()
    expect(page.get_by_role("region", name="Children")).to_contain_text("Tablet")


def test_group_is_made_and_gets_a_member(page: Page, gateway: FakeGateway) -> None:
    page.get_by_label("Name", exact=True).last.fill("Cameras")
    page.get_by_role("button", name="Make the group").click()
    group = page.get_by_role("region", name="Cameras", exact=True)
    expect(group).to_contain_text("Nobody is in it yet.")
    group.get_by_text("Who is in it").click()
    group.get_by_role("checkbox", name="Tablet").press("Space")
    expect(page.get_by_text("Tablet is now in the group Cameras.")).to_be_visible()
    expect(page.get_by_role("region", name="Children")).to_contain_text("Nobody is in it yet.")
    assert ChangeDevice(TABLET, group="Cameras") in gateway.commands


def test_tick_pressed_twice_is_one_change(page: Page, gateway: FakeGateway) -> None:
    held = HeldRequests(page, "**/api/devices/*", "PATCH")
    group = page.get_by_role("region", name="Children")
    group.get_by_text("Who is in it").click()
    tick = group.get_by_role("checkbox", name="Telly")
    tick.press("Space")
    expect(tick).to_have_attribute("aria-busy", "true")
    expect(tick).not_to_be_checked()  # until the gateway says otherwise
    tick.press("Space")
    held.release()
    expect(page.get_by_text("Telly is now in the group Children.")).to_be_visible()
    expect(tick).to_have_attribute("aria-busy", "false")
    expect(tick).to_be_checked()
    assert [each for each in gateway.commands if isinstance(each, ChangeDevice)] == [ChangeDevice(TV, group="Children")]


def test_policy_and_hours_changed_at_once_both_count(page: Page, gateway: FakeGateway) -> None:
    held = HeldRequests(page, "**/api/groups/*", "PUT")
    group = page.get_by_role("region", name="Children", exact=True)
    group.get_by_text("Times (1)").click()
    with held.one_more():
        group.get_by_role("button", name="Remove: Every day").click()
    page.get_by_label("Internet of Children").select_option("blocked")
    held.release()
    expect(page.get_by_text("The rule of Children is changed.")).to_be_visible()
    expect(group.locator(".schedule li")).to_have_count(0)
    assert gateway.state.groups == (Group("Children", BlockedPolicy()),)


def test_policy_of_a_group_is_changed_and_undone(page: Page, gateway: FakeGateway) -> None:
    menu = page.get_by_label("Internet of Children")
    menu.select_option("blocked")
    expect(page.get_by_text("The rule of Children is changed.")).to_be_visible()
    expect(menu).to_have_value("blocked")
    page.get_by_role("button", name="Undo").click()
    expect(menu).to_have_value("vpn")
    last = [each for each in gateway.commands if isinstance(each, SetGroup)][-1]
    assert last.schedule == (BEDTIME,)  # its times stay


def test_hours_removed_while_the_policy_is_undone_stay_so(page: Page, gateway: FakeGateway) -> None:
    group = page.get_by_role("region", name="Children", exact=True)
    group.get_by_text("Times (1)").click()
    page.get_by_label("Internet of Children").select_option("blocked")
    expect(page.get_by_text("The rule of Children is changed.")).to_be_visible()
    held = HeldRequests(page, "**/api/groups/*", "PUT")
    with held.one_more():
        page.get_by_role("button", name="Undo").click()
    group.get_by_role("button", name="Remove: Every day").click()
    held.release()
    held.wait_for("both", lambda: gateway.state.groups == (Group("Children", VpnPolicy()),))


def test_undone_policy_leaves_the_hours_of_since_then(page: Page, gateway: FakeGateway) -> None:
    group = page.get_by_role("region", name="Children", exact=True)
    group.get_by_text("Times (1)").click()
    page.get_by_label("Internet of Children").select_option("blocked")
    changed = page.locator(".toast").filter(has_text="The rule of Children is changed.")
    expect(changed).to_be_visible()
    group.get_by_role("button", name="Remove: Every day").click()
    expect(group.locator(".schedule li")).to_have_count(0)
    changed.get_by_role("button", name="Undo").click()
    wait_for("the undo", lambda: gateway.state.groups == (Group("Children", VpnPolicy()),))


def test_policy_changed_just_before_the_name_counts(page: Page, gateway: FakeGateway) -> None:
    held = HeldRequests(page, "**/api/groups/*", "PUT")
    group = page.get_by_role("region", name="Children", exact=True)
    group.get_by_text("Rename or remove").click()
    with held.one_more():
        page.get_by_label("Internet of Children").select_option("blocked")
    name = group.get_by_label("Name", exact=True)
    name.fill("Kids")
    name.press("Enter")
    held.release()
    expect(page.get_by_role("region", name="Kids")).to_be_visible()
    held.wait_for("both", lambda: gateway.state.groups == (Group("Kids", BlockedPolicy(), (BEDTIME,)),))


def test_group_gets_hours_and_loses_them(page: Page, gateway: FakeGateway) -> None:
    group = page.get_by_role("region", name="Children", exact=True)
    group.get_by_text("Times (1)").click()
    group.get_by_role("button", name="Add a time for Children").click()
    group.get_by_role("checkbox", name="Sunday").press("Space")
    group.get_by_role("button", name="Add a time", exact=True).click()
    expect(group).to_contain_text("Sun, 21:00 to 7:00 of the next day: Blocked")
    group.get_by_role("button", name="Remove: Every day").click()
    expect(group.locator(".schedule li")).to_have_count(1)
    last = [each for each in gateway.commands if isinstance(each, SetGroup)][-1]
    assert last.schedule == (ScheduleEntry(frozenset({6}), 1260, 420, BlockedPolicy()),)


def test_rename_moves_the_members_in_one_step(page: Page, gateway: FakeGateway) -> None:
    group = page.get_by_role("region", name="Children")
    group.get_by_text("Rename or remove").click()
    name = group.get_by_label("Name", exact=True)
    name.fill("Kids")
    name.press("Enter")
    renamed = page.get_by_role("region", name="Kids")
    expect(renamed).to_contain_text("Tablet")
    expect(page.get_by_role("region", name="Children")).to_have_count(0)
    bulk = next(each for each in gateway.commands if isinstance(each, Bulk))
    assert bulk.atomic
    assert [type(each) for each in bulk.commands] == [SetGroup, ChangeDevice, RemoveGroup]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("region", name="Children")).to_contain_text("Tablet")


def test_name_of_another_group_is_refused(page: Page, gateway: FakeGateway) -> None:
    page.get_by_label("Name", exact=True).last.fill("Cameras")
    page.get_by_role("button", name="Make the group").click()
    group = page.get_by_role("region", name="Cameras", exact=True)
    group.get_by_text("Rename or remove").click()
    name = group.get_by_label("Name", exact=True)
    name.fill("Children")
    name.press("Enter")
    expect(group.get_by_role("alert")).to_have_text("A group of this name is there already.")
    assert not any(isinstance(each, Bulk) for each in gateway.commands)


def test_group_is_removed_only_after_a_yes(page: Page, gateway: FakeGateway) -> None:
    group = page.get_by_role("region", name="Children")
    group.get_by_text("Rename or remove").click()
    group.get_by_role("button", name="Remove the group Children").click()
    dialog = page.get_by_role("dialog", name="Remove Children?")
    expect(dialog).to_contain_text("Its 1 device stays")
    dialog.get_by_role("button", name="Remove the group").click()
    expect(page.get_by_text("The group Children is removed.")).to_be_visible()
    assert any(isinstance(each, RemoveGroup) for each in gateway.commands)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_groups_shut_nobody_out(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.get_by_role("region", name="Children")).to_be_visible()
    for summary in page.get_by_role("region", name="Children").locator("summary").all():
        summary.click()
    expect(page.get_by_role("region", name="Children").get_by_text("Every day")).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
