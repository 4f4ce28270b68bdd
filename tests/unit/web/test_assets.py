"""The page's files are served from memory, compressed where the client takes it, at each address of a view."""

from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart.typing import TestClientProtocol

from app.api import qr_code
from app.web import assets
from app.web.app import create_app
from tests.support.fake_gateway import FakeGateway


@pytest.fixture
async def client() -> AsyncIterator[TestClientProtocol]:
    app = create_app(FakeGateway(), rates=None)
    async with app.test_app():
        yield app.test_client()


async def test_every_view_answers_with_the_page(client: TestClientProtocol) -> None:
    page = await (await client.get("/")).get_data(as_text=True)
    assert '<div id="page">' in page
    for path in (
        "/devices",
        "/devices/02:00:00:00:00:01",
        "/exits",
        "/exits/tv",
        "/servers",
        "/settings/about",
        "/welcome/server",
    ):
        assert await (await client.get(path)).get_data(as_text=True) == page
    for path in ("/nothing", "/devices/", "/devices/a/b", "/exits/tv/x", "/index.html"):
        assert (await client.get(path)).status_code == 404, path


def _named(page: str) -> tuple[list[str], list[str]]:
    """The addresses of a page's scripts and of its style sheets."""
    return re.findall(r'<script type="module" src="([^"]+)"', page), re.findall(r'"stylesheet" href="([^"]+)"', page)


async def test_modules_of_the_first_view_are_one_file(client: TestClientProtocol) -> None:
    scripts, _ = _named(await (await client.get("/")).get_data(as_text=True))
    assert [re.fullmatch(r"/static/[0-9a-f]{16}/main\.js", each) is not None for each in scripts] == [True]
    first = await (await client.get(scripts[0])).get_data(as_text=True)
    for name in ("$main", "$vendor_preact", "$views_home_home", "$messages_en"):
        assert f"export const {name} = " in first
    for name in ("$vendor_uplot", "$views_settings_settings", "$messages_de"):
        assert f"export const {name} = " not in first
    later = set(re.findall(r'import\("([^"]+)"\)\.then\(', first))
    assert {path.rpartition("/")[2] for path in later} >= {"settings.js", "servers.js", "exits.js", "de.js"}
    waiting = [scripts[0]]
    for address in waiting:  # and what each asks for, by its whole address
        named = re.findall(r'"(/static/[0-9a-f]{16}/[^"]+\.js)"', await _text(client, address))
        waiting += [each for each in dict.fromkeys(named) if each not in waiting]
    for address in waiting:
        assert (await client.get(address)).status_code == 200, address
    assert {"uplot.js", "decode.js"} <= {address.rpartition("/")[2] for address in waiting}


async def test_addresses_with_a_hash_are_never_asked_for_twice(client: TestClientProtocol) -> None:
    for address in ("/", "/proof"):
        page = await client.get(address)
        assert page.headers["Cache-Control"] == "no-cache"
        scripts, sheets = _named(await page.get_data(as_text=True))
        icons = re.findall(r"/static/[0-9a-f]+/vendor/icons\.svg", await _text(client, scripts[0]))
        for each in (*scripts, *sheets, *icons, f"{scripts[0]}.map"):
            answer = await client.get(each)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, assets.FOREVER)
        assert len(scripts) == len(set(icons)) == 1
    for address in ("/static/main.js", "/static/css/page.css", "/static/manifest.webmanifest"):
        assert (await client.get(address)).headers["Cache-Control"] == "no-cache"
    assert (await client.get("/static/0123456789abcdef/main.js")).status_code == 404  # of another version


async def _text(client: TestClientProtocol, path: str) -> str:
    return await (await client.get(path)).get_data(as_text=True)


async def test_style_sheets_are_sent_as_one(client: TestClientProtocol) -> None:
    sent = await (await client.get("/static/css/page.css")).get_data(as_text=True)
    assert "@import" not in sent
    assert sent.index("--protected:") < sent.index("box-sizing") < sent.index(".hero {")
    _, linked = _named(await _text(client, "/"))
    assert [each.rpartition("/")[2] for each in linked] == ["page.css", "dark.css"]
    assert await _text(client, linked[0]) == sent


async def test_page_of_the_proof_has_its_own_modules(client: TestClientProtocol) -> None:
    scripts, _ = _named(await _text(client, "/proof"))
    first = await _text(client, scripts[0])
    assert "export const $views_proof_proof_page = " in first
    assert "$store_connection" not in first  # it follows no gateway, and needs no password


async def test_code_leads_to_the_proof_by_the_address_of_the_page(client: TestClientProtocol) -> None:
    answer = await client.get("/proof.svg", headers={"Host": "192.168.77.1:5000"})
    assert (answer.content_type, answer.headers["Cache-Control"]) == ("image/svg+xml", "no-store")
    assert await answer.get_data(as_text=True) == qr_code.svg("http://192.168.77.1:5000/proof")
    foreign = await client.get("/proof.svg", headers={"Host": "evil.example"})
    assert foreign.status_code == 403


async def test_files_are_compressed_for_who_takes_it(client: TestClientProtocol) -> None:
    plain = await client.get("/static/vendor/preact.js")
    packed = await client.get("/static/vendor/preact.js", headers={"Accept-Encoding": "gzip, br"})
    refused = await client.get("/static/vendor/preact.js", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await packed.get_data(as_text=False)) == await plain.get_data(as_text=False)
    for answer in (plain, refused):
        assert "Content-Encoding" not in answer.headers
    for answer in (plain, packed):
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]


async def test_unchanged_file_is_not_sent_again(client: TestClientProtocol) -> None:
    for headers in ({}, {"Accept-Encoding": "gzip"}):
        first = await client.get("/static/main.js", headers=headers)
        again = await client.get("/static/main.js", headers={**headers, "If-None-Match": first.headers["ETag"]})
        assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")


async def test_declarations_are_not_served(client: TestClientProtocol) -> None:
    assert (await client.get("/static/vendor/preact.d.ts")).status_code == 404


async def test_missing_libraries_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "index.html").write_text('<script type="module" src="/static/main.js"></script>')
    (tmp_path / "main.js").write_text('import { h } from "./vendor/preact.js";\n')
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    app = create_app(FakeGateway(), rates=None)
    async with app.test_app():
        assert "main.js needs vendor/preact.js, which is not there; run ci/setup" in caplog.text
        assert _named(await _text(app.test_client(), "/"))[0] == ["/static/main.js"]


async def test_page_can_be_installed(client: TestClientProtocol) -> None:
    page = await (await client.get("/")).get_data(as_text=True)
    assert '<link rel="manifest" href="/static/manifest.webmanifest">' in page
    answer = await client.get("/static/manifest.webmanifest")
    assert answer.content_type == "application/manifest+json"
    manifest = json.loads(await answer.get_data())
    assert manifest["start_url"] == "/"
    assert {each["sizes"] for each in manifest["icons"]} >= {"192x192", "512x512"}
    for icon in [*manifest["icons"], {"src": "/static/icons/apple.png", "type": "image/png", "sizes": "180x180"}]:
        found = await client.get(icon["src"])
        assert (found.status_code, found.content_type) == (200, icon["type"])
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", (await found.get_data(as_text=False))[16:24])
            assert f"{width}x{height}" == icon["sizes"]
