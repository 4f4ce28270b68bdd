"""A QR code before the camera, which Chromium plays from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import segno
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.api.auth.credentials import COOKIE
from app.protocol.commands import ImportConfig
from ci.labnet.owner import SESSION
from ci.labnet.waiting import wait_for
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.support.axe import barriers
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

CONFIG = "[Interface]\nPrivateKey = x\n[Peer]\nEndpoint = 192.0.2.99:51820\n"
WIDTH, HEIGHT = 640, 480
NAME = "vpn-gateway.lan"  # plain HTTP: a browser gives a camera to no such page
PATH = "/settings/adding"


def film(path: Path, text: str) -> None:
    """Write a film of two frames, which show ``text`` as a QR code (YUV4MPEG2)."""
    rows = [list(row) for row in segno.make(text, error="l").matrix_iter(scale=6, border=4)]
    top, left = (HEIGHT - len(rows)) // 2, (WIDTH - len(rows[0])) // 2
    light = bytearray(b"\xeb" * (WIDTH * HEIGHT))
    for y, row in enumerate(rows):
        start = (top + y) * WIDTH + left
        light[start : start + len(row)] = bytes(16 if dark else 235 for dark in row)
    frame = b"FRAME\n" + light + b"\x80" * (WIDTH * HEIGHT // 2)
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420\n".encode() + frame * 2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser with a camera that sees the code."""
    shown = tmp_path_factory.mktemp("camera") / "code.y4m"
    film(shown, CONFIG)
    arguments = [
        *ARGUMENTS,
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={shown}",
        f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def address() -> str:
    return PATH


def test_code_before_the_camera_is_checked_before_it_is_saved(page: Page, server: WebServer) -> None:
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Scan with the camera").click()
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text("Nothing is saved yet.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    asked = [one for one in server.gateway.commands if isinstance(one, ImportConfig)]
    assert [(one.config, one.dry_run) for one in asked] == [(CONFIG, True)]
    assert page.evaluate("navigator.mediaDevices.enumerateDevices().then((all) => all.length)") > 0


def test_code_that_the_gateway_cannot_check_is_told(page: Page) -> None:
    page.context.grant_permissions(["camera"])
    page.route("**/api/import", lambda route: route.abort())
    page.get_by_role("button", name="Scan with the camera").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("region", name="What was found")).to_contain_text("It is not added.")


def test_refused_camera_says_what_to_do(page: Page) -> None:
    page.get_by_role("button", name="Scan with the camera").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("The browser does not let this page use the camera.")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Scan with the camera")).to_be_focused()


def test_closed_dialog_lets_the_camera_go(page: Page) -> None:
    page.context.grant_permissions(["camera"])
    # The code would be read at once, and the dialog closed.
    page.evaluate("CanvasRenderingContext2D.prototype.getImageData = () => new ImageData(8, 8)")
    page.get_by_role("button", name="Scan with the camera").click()
    video = page.locator("video.camera")
    wait_for("the camera sees", lambda: video.evaluate("(video) => video.srcObject?.active"))
    stream = video.evaluate_handle("(video) => video.srcObject")
    page.keyboard.press("Escape")
    wait_for("the camera is let go", lambda: not stream.evaluate("(stream) => stream.active"))


def test_no_camera_is_offered_over_plain_http(browser: Browser, server: WebServer) -> None:
    context = browser.new_context()
    url = f"http://{NAME}:{server.port}"
    context.add_cookies([{"name": COOKIE, "value": SESSION, "url": url}])
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
    page.goto(url + PATH)
    expect(page.get_by_label("Drop files here, or choose them")).to_be_visible()
    assert not page.evaluate("isSecureContext")
    expect(page.get_by_role("button", name="Scan with the camera")).to_have_count(0)
    context.close()
    assert errors == []
