from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.tunnel.exitcheck import parse

FIXTURES = Path(__file__).parents[4] / "shared" / "data" / "api-fixtures"


@pytest.mark.parametrize("name", ["am-i-mullvad-json-connected.json", "am-i-mullvad-json-not-connected.json"])
def test_the_providers_answer_is_understood(name):
    body = (FIXTURES / name).read_bytes()
    assert parse(body) == json.loads(body)["ip"]


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (b"203.0.113.7\n", "203.0.113.7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b'{"ip": "203.0.113.7"}', "203.0.113.7"),
        (b'{"ip": 7}', None),
        (b'{"ip": "<script>"}', None),
        (b"<html>captive portal</html>", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"[]", None),
    ],
)
def test_only_an_address_is_an_address(body, address):
    assert parse(body) == address
