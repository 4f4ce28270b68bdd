"""Adding servers: files, zips, pastes and pictures are checked before anything is saved; or by hand."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
import segno
from playwright.sync_api import Page, expect

from app.protocol.commands import AddCustomServer, ImportConfig, RemoveCustomServer, UseFileKey
from ci.labnet.waiting import wait_for
from tests.support.axe import barriers
from tests.support.fake_gateway import FakeGateway
from tests.support.held_requests import HeldRequests

pytestmark = pytest.mark.browser

CONFIG = "[Interface]\nPrivateKey = x\nPostUp = iptables -F\n[Peer]\nEndpoint = 192.0.2.99:51820\n"
DROP = """(zone, files) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  zone.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
  zone.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def address() -> str:
    return "/settings/adding"


def stored(gateway: FakeGateway) -> list[str]:
    return [one.name for one in gateway.commands if isinstance(one, ImportConfig) and not one.dry_run]


def drop(page: Page, *files: tuple[str, str]) -> None:
    page.locator(".drop").evaluate(DROP, list(files))


def file(name: str, content: bytes, kind: str = "text/plain") -> dict[str, object]:
    return {"name": name, "mimeType": kind, "buffer": content}


def choose(page: Page, *files: dict[str, object]) -> None:
    page.get_by_label("Drop files here, or choose them").set_input_files(list(files))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_findings_come_before_anything_is_saved(page: Page, gateway: FakeGateway) -> None:
    drop(page, ("berlin.conf", CONFIG), ("notes.txt", "milk, bread"))
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text("Nothing is saved yet.")
    expect(found).to_contain_text("PostUp = iptables -F: never run")
    expect(found).to_contain_text("Line 1: expected [Interface]. It is not added.")
    assert stored(gateway) == []
    found.get_by_role("button", name="Add 1 server").click()
    expect(page.get_by_text("1 server was added.")).to_be_visible()
    assert stored(gateway) == ["berlin.conf"]
    expect(page.get_by_role("region", name="Added just now")).to_contain_text("berlin")
    expect(found).to_contain_text("notes.txt")  # what is wrong stays until it is left out
    found.get_by_role("button", name="Leave notes.txt out").click()
    expect(found).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    wait_for("the undo", lambda: RemoveCustomServer("berlin") in gateway.commands)
    expect(page.get_by_role("region", name="Added just now")).to_have_count(0)


def test_same_file_again_is_not_taken_away_by_undo(page: Page, gateway: FakeGateway) -> None:
    for _ in range(2):
        drop(page, ("berlin.conf", CONFIG))
        page.get_by_role("button", name="Add 1 server").click()
        expect(page.get_by_role("region", name="What was found")).to_have_count(0)
    expect(page.get_by_text('it is there already, as "berlin"')).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_several_files_get_names_of_their_own(page: Page, gateway: FakeGateway) -> None:
    utf16 = ("\ufeff" + CONFIG).encode("utf-16-le")
    choose(page, file("one.conf", utf16), file("two.conf", CONFIG.encode()))
    names = page.get_by_role("region", name="What was found").get_by_label("Name")
    expect(names).to_have_count(2)
    expect(names.first).to_have_value("one")
    names.first.fill("my-one")
    names.first.press("Tab")
    wait_for("the check", lambda: any(isinstance(c, ImportConfig) and c.name == "my-one" for c in gateway.commands))
    page.get_by_role("button", name="Add 2 servers").click()
    expect(page.get_by_text("2 servers were added.")).to_be_visible()
    assert stored(gateway) == ["my-one", "two.conf"]


def test_name_typed_just_before_it_is_added_counts(page: Page, gateway: FakeGateway) -> None:
    choose(page, file("one.conf", CONFIG.encode()))
    name = page.get_by_role("region", name="What was found").get_by_label("Name")
    expect(name).to_have_value("one")
    gateway.pause = 0.4
    name.fill("first")
    name.press("Tab")
    name.fill("second")  # while "first" is being checked
    page.get_by_role("button", name="Add 1 server").click()
    expect(page.get_by_role("region", name="Added just now")).to_contain_text("second")
    assert stored(gateway) == ["second"]


def test_name_that_proves_wrong_as_it_is_added_is_not_added(page: Page, gateway: FakeGateway) -> None:
    choose(page, file("one.conf", CONFIG.encode()), file("two.conf", CONFIG.encode()))
    found = page.get_by_role("region", name="What was found")
    expect(found.get_by_label("Name")).to_have_count(2)
    gateway.pause = 0.4
    found.get_by_label("Name").first.fill("vpn-se")
    page.get_by_role("button", name="Add 2 servers").click()
    expect(page.get_by_text("1 server was added.")).to_be_visible()
    expect(found).to_contain_text("in use")
    assert stored(gateway) == ["two.conf"]


def test_file_that_comes_after_the_press_is_not_added_with_it(page: Page, gateway: FakeGateway) -> None:
    choose(page, file("one.conf", CONFIG.encode()))
    found = page.get_by_role("region", name="What was found")
    expect(found.get_by_label("Name")).to_have_value("one")
    held = HeldRequests(page, "**/api/servers?provider=imported", "GET")
    with held.one_more():
        page.get_by_role("button", name="Add 1 server").click()
    drop(page, ("two.conf", CONFIG))
    expect(found).to_contain_text("two.conf")
    held.release()
    expect(page.get_by_text("1 server was added.")).to_be_visible()
    assert stored(gateway) == ["one.conf"]
    expect(found).to_contain_text("two.conf")


def test_file_left_out_while_a_paste_is_checked_stays_out(page: Page) -> None:
    drop(page, ("berlin.conf", CONFIG))
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text("berlin.conf")
    page.get_by_text("Paste the text of a configuration").click()
    page.get_by_label("Configuration").fill(CONFIG)
    held = HeldRequests(page, "**/api/import", "POST")
    with held.one_more():
        page.get_by_role("button", name="Check it").click()
    found.get_by_role("button", name="Leave berlin.conf out").click()
    expect(found).to_have_count(0)
    held.release()
    expect(found).to_contain_text("pasted")
    expect(found).not_to_contain_text("berlin.conf")


def test_encodings_match_those_of_the_gateway(page: Page) -> None:
    examples = json.loads((Path(__file__).parents[1] / "data/files.json").read_text())["encodings"]
    found = page.evaluate(
        """async (examples) => {
          const { decode } = await import("/static/lib/files.js");
          const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16)).buffer;
          return examples.map((each) => decode(bytes(each.hex)));
        }""",
        examples,
    )
    assert found == [each["text"] for each in examples]


def test_taken_name_gets_another_name(page: Page) -> None:
    for content, name in ((CONFIG, "home 1"), (CONFIG + "# another", "home 1-2")):
        choose(page, file("home (1).conf", content.encode()))
        expect(page.get_by_role("region", name="What was found").get_by_label("Name")).to_have_value(name)
        page.get_by_role("button", name="Add 1 server").click()
        expect(page.get_by_role("region", name="Added just now")).to_contain_text(name)
        expect(page.get_by_role("region", name="What was found")).to_have_count(0)


def test_name_that_cannot_be_is_told_at_once(page: Page, gateway: FakeGateway) -> None:
    choose(page, file("mine.conf", CONFIG.encode()))
    found = page.get_by_role("region", name="What was found")
    name = found.get_by_label("Name")
    for wrong, words in (("no: colons", "Letters, digits"), ("vpn-se", "in use")):
        name.fill(wrong)
        name.press("Enter")
        expect(found).to_contain_text(words)
        expect(page.get_by_role("button", name="Add 1 server")).to_have_count(0)
    name.fill("mine")
    name.press("Enter")
    page.get_by_role("button", name="Add 1 server").click()
    expect(page.get_by_text("1 server was added.")).to_be_visible()


def test_zip_is_checked_file_by_file(page: Page, gateway: FakeGateway) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("se.conf", CONFIG)
        zipped.writestr("broken.conf", "nothing")
    choose(page, file("all.zip", archive.getvalue(), "application/zip"))
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text("A zip with 1 usable file")
    expect(found).to_contain_text("broken.conf:")
    assert stored(gateway) == []
    found.get_by_role("button", name="Add 1 server").click()
    expect(page.get_by_role("region", name="Added just now")).to_contain_text("se")


def test_paste_opens_the_whole_list_of_its_provider(page: Page, gateway: FakeGateway) -> None:
    page.get_by_text("Paste the text of a configuration").click()
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("Please fill this in.")).to_be_visible()
    page.get_by_label("Configuration").fill(CONFIG.replace("192.0.2.99", "se-sto.mullvad.net"))
    page.get_by_label("Name").fill("stockholm")
    page.get_by_role("button", name="Check it").click()
    page.get_by_role("button", name="Add 1 server").click()
    added = page.get_by_role("region", name="Added just now")
    expect(added).to_contain_text("Its key works with all 4 servers of Mullvad, without a sign-in.")
    added.get_by_role("button", name="Use it for all of Mullvad").click()
    expect(page.get_by_text("The key of stockholm is used for all servers of Mullvad.")).to_be_visible()
    assert UseFileKey("mullvad", "stockholm") in gateway.commands


def test_server_by_hand_shows_the_error_at_its_field_and_the_key(page: Page, gateway: FakeGateway) -> None:
    page.get_by_role("button", name="By hand").click()
    name = page.get_by_label("Name")
    name.fill("not a name!")
    page.get_by_label("Address of the server").fill("198.51.100.7:51820")
    page.get_by_label("The server's public key").fill("cHVibGlj")
    page.get_by_role("button", name="Make a key pair").click()
    expect(page.get_by_label("The gateway's private key")).to_have_value("cHJpdmF0ZQ==")
    expect(page.get_by_role("list", name="The gateway's public key")).to_have_text("cHVibGlj")
    page.get_by_role("button", name="Add the server").click()
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("my-vps")
    page.get_by_label(re.compile("^MTU")).fill("1380")
    page.get_by_role("button", name="Add the server").click()
    expect(page.get_by_role("heading", name="my-vps was added.")).to_be_visible()
    expect(page.get_by_role("list", name="The gateway's public key")).to_have_text("b3VycyBpcyBoZXJlIQ==")
    expect(page.get_by_label("The gateway's private key")).to_have_value("")
    sent = [one for one in gateway.commands if isinstance(one, AddCustomServer)][-1]
    assert (sent.name, sent.mtu, sent.private_key, sent.dns) == ("my-vps", 1380, "cHJpdmF0ZQ==", None)


PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdac\xfc\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"
)


def test_picture_without_a_code_says_so(page: Page) -> None:
    for picture in (file("nothing.png", PIXEL, "image/png"), file("broken.png", b"no picture", "image/png")):
        choose(page, picture)
        expect(
            page.get_by_role("alert").filter(has_text=f"No QR code could be read in {picture['name']}")
        ).to_be_visible()


def test_picture_with_a_code_is_read_over_plain_http(page: Page) -> None:
    assert not page.evaluate("'BarcodeDetector' in globalThis")
    picture = io.BytesIO()
    segno.make(CONFIG, error="l").save(picture, kind="png", scale=4, border=4)
    choose(page, file("stockholm.png", picture.getvalue(), "image/png"))
    expect(page.get_by_role("region", name="What was found").get_by_label("Name")).to_have_value("stockholm")
    page.get_by_role("button", name="Add 1 server").click()
    expect(page.get_by_role("region", name="Added just now")).to_contain_text("stockholm")


@pytest.mark.parametrize("width", [320, 1280])
def test_findings_shut_nobody_out(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    drop(page, ("berlin.conf", CONFIG), ("notes.txt", "milk, bread"))
    expect(page.get_by_role("region", name="What was found")).to_contain_text("never run")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert barriers(page) == []
    page.get_by_role("button", name="By hand").click()
    page.get_by_role("button", name="Make a key pair").click()
    expect(page.get_by_role("list", name="The gateway's public key")).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
