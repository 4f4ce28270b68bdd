"""docs/api.md is true: every path is in its table, and every request in it is carried out and answered as it says.

An ``http``, ``bash`` or ``ws`` block is sent; the block after it is what comes back: ``json``, with the status where it
is not 2xx, or ``text``. An object may have more fields than are shown. ``"..."`` is anything, ``"<name>"`` too, and is
put in wherever it stands in what is sent later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from app.api.openapi import document
from app.protocol.answers import Opening
from app.web.app import create_app
from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient

DOCS = Path(__file__).parents[3] / "docs" / "api.md"
SENT = {"http", "bash", "ws"}
NOT_RUN = {"javascript"}  # the API contract's, run against the real gateway by tests/lab/test_api_contract.py
HOST = "vpn-gateway.lan:5000"


class Block(NamedTuple):
    kind: str
    status: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    return [
        Block(match[1], match[2] or "", match[3], text[: match.start()].count("\n") + 1)
        for match in re.finditer(r"^```(\w+)(?: (\d+))?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


class Reader:
    """Follows the page from top to bottom."""

    def __init__(self, server: WebServer, curlrc: Path) -> None:
        self.server = server
        self.curlrc = curlrc
        self.known: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def filled(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace(f"<{name}>", value)
        assert not re.search(r"<\w+>", text), text
        return text

    def sign_in(self) -> None:
        answer = requests.post(f"{self.server.url}/api/auth/login", json={"password": PASSWORD}, timeout=30)
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def send(self, block: Block) -> tuple[int, str]:
        text = self.filled(block.text)
        if block.kind == "bash":
            script = text.replace(HOST, f"127.0.0.1:{self.server.port}")
            assert script != text
            self.curlrc.write_text("".join(f'header = "{name}: {value}"\n' for name, value in self.headers.items()))
            environment = os.environ | {"CURL_HOME": str(self.curlrc.parent)}
            command = ["sh", "-c", script]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=environment)
            return 200, done.stdout
        head, _, body = text.partition("\n\n")
        first, *lines = head.strip().splitlines()
        method, path = first.split(" ")
        headers = self.headers | dict(line.split(": ", 1) for line in lines)
        if block.kind == "ws":
            with WebSocketClient(self.server.port, path, headers) as client:
                return 200, json.dumps(client.receive())
        url = self.server.url + path
        answer = requests.request(method, url, headers=headers, data=body.encode(), timeout=30)
        return answer.status_code, answer.text

    def compare(self, block: Block, status: int, text: str) -> None:
        assert status == int(block.status) if block.status else 200 <= status < 300, (status, text)
        if block.kind == "text":
            pattern = re.escape(block.text.strip()).replace(re.escape("..."), ".*")
            assert re.fullmatch(pattern, text.strip(), re.DOTALL), text
        else:
            assert block.kind == "json"
            self.match(json.loads(block.text), json.loads(text), "")

    def match(self, shown: Any, found: Any, at: str) -> None:
        if shown == "...":
            return
        if isinstance(shown, str) and (name := re.fullmatch(r"<(\w+)>", shown)):
            self.known[name[1]] = str(found)
        elif isinstance(shown, dict):
            assert isinstance(found, dict), (at, found)
            for key, value in shown.items():
                assert key in found, (f"{at}.{key}", found)
                self.match(value, found[key], f"{at}.{key}")
        elif isinstance(shown, list):
            assert isinstance(found, list), (at, found)
            assert len(shown) == len(found) or shown == ["..."], (at, found)
            for n, (one, other) in enumerate(zip(shown, found, strict=False)):
                self.match(one, other, f"{at}[{n}]")
        else:
            assert (type(shown), shown) == (type(found), found), at


@pytest.fixture
def reader(tmp_path: Path) -> Any:
    with WebServer(state_dir=tmp_path) as server:
        server.gateway.opens = (Opening("direct", "devices that leave in the clear, past the VPN: TV"),)
        yield Reader(server, tmp_path / ".curlrc")


def test_every_example(reader: Reader) -> None:
    text = DOCS.read_text()
    # What follows on the section about signing in is asked by the owner.
    signed_in = text[: text.index("\n## ", text.index("\n## Signing in") + 1)].count("\n")
    page = [b for b in blocks(DOCS.read_text()) if b.kind not in NOT_RUN]
    sent = 0
    waiting: tuple[int, str] | None = None
    for block in page:
        if block.line > signed_in and not reader.headers:
            reader.sign_in()
        try:
            if block.kind in SENT:
                assert waiting is None, "the request before has no answer"
                waiting = reader.send(block)
                sent += 1
            else:
                assert waiting is not None, "an answer to nothing"
                reader.compare(block, *waiting)
                waiting = None
        except AssertionError as error:
            raise AssertionError(f"docs/api.md, line {block.line}: {error}") from error
    assert sent >= 30


def test_an_example_that_is_not_true_is_noticed(reader: Reader) -> None:
    for text in ('{"connected": true}', '{"nothing": 1}', '{"exits": []}', '{"rx_bytes": false}'):
        with pytest.raises(AssertionError):
            reader.compare(Block("json", "", text, 1), *reader.send(Block("http", "", "GET /api/status", 1)))


def test_the_table_has_every_operation_and_its_scope() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| (\w+) \| .+ \|$", DOCS.read_text(), re.MULTILINE)
    described = json.loads(document(create_app(FakeGateway()), password_set=True))["paths"]
    operations = {
        (method.upper(), path, (operation["security"] or [{"": ["public"]}])[0].popitem()[1][0])
        for path, methods in described.items()
        for method, operation in methods.items()
    }
    assert operations - set(rows) == set(), "add these to the table of docs/api.md"
    assert set(rows) - operations == set(), "these are in the table of docs/api.md and nowhere else"
    assert len(rows) == len(set(rows))
