"""The page's files are served from memory, compressed where the client takes it, at each address of a view."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart.typing import TestClientProtocol

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
    assert 'src="/static/main.js"' in page
    for path in ("/devices", "/devices/02:00:00:00:00:01", "/exits", "/exits/tv", "/servers", "/settings/about"):
        assert await (await client.get(path)).get_data(as_text=True) == page
    for path in ("/nothing", "/devices/", "/devices/a/b", "/exits/tv/x", "/index.html"):
        assert (await client.get(path)).status_code == 404, path


async def test_page_preloads_modules_that_are_there(client: TestClientProtocol) -> None:
    page = await (await client.get("/")).get_data(as_text=True)
    preloaded = re.findall(r'rel="modulepreload" href="([^"]+)"', page)
    assert {"/static/main.js", "/static/vendor/preact.js", "/static/views/home/home.js"} <= set(preloaded)
    assert "/static/vendor/uplot.js" not in preloaded
    for path in preloaded:
        assert (await client.get(path)).status_code == 200


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
    (tmp_path / "index.html").write_text("<!--modules-->")
    (tmp_path / "main.js").write_text("")
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    async with create_app(FakeGateway(), rates=None).test_app():
        assert "the page's libraries are missing" in caplog.text
