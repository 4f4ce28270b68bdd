"""The description is valid, complete and true to the reference; the page that shows it needs no other host."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.api import examples
from app.api.openapi import document
from app.protocol import answers as answers_module
from app.protocol.commands import AnyCommand
from app.web import assets
from app.web.app import create_app
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "api-reference.txt"
STATIC = ROOT / "app" / "web" / "static"
VIEWS = {re.sub(r"<(\w+)>", r"{\1}", address) for address in assets.VIEWS}
NOT_OF_THE_API = {*VIEWS, "/favicon.ico", "/proof", "/proof.svg", "/static/{name}"}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return json.loads(document(create_app(FakeGateway())))


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(m.upper(), p, o) for p, methods in description["paths"].items() for m, o in methods.items()]


def test_it_is_valid_openapi(description: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(description).validate()
    assert description["openapi"].startswith("3.1.")


def test_the_validator_would_notice(description: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(description))
    broken["paths"]["/api/custom/remove/{name}"]["delete"]["parameters"][0]["in"] = "somewhere"
    assert not OpenAPIV31SpecValidator(broken).is_valid()


def test_every_route_is_described(description: dict[str, Any]) -> None:
    app = create_app(FakeGateway())
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if not rule.websocket
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(method, path) for method, path, _ in operations(description)}
    assert {r for r in routes if r[1] not in NOT_OF_THE_API} == described


def test_names_are_unique(description: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(description)]
    assert sorted(names) == sorted(set(names))


def test_every_operation_is_described_in_words(description: dict[str, Any]) -> None:
    assert all(operation["summary"] for _, _, operation in operations(description))
    assert all(tag["description"] for tag in description["tags"])


def json_of(text: str) -> list[Any]:
    """Every JSON object in the reference's prose."""
    found, end = [], 0
    for match in re.finditer(r"^\{", text, re.MULTILINE):
        if match.start() >= end:  # else it is a part of the one before
            value, end = json.JSONDecoder().raw_decode(text, match.start())
            found.append(value)
    return found


def test_the_examples_are_the_references(description: dict[str, Any]) -> None:
    reference = json_of(REFERENCE.read_text().partition("WebSocket Events")[0])
    ours = [*examples.REQUESTS.values(), *examples.ANSWERS.values(), examples.ERROR]
    assert len(reference) == 14
    assert [example for example in reference if example not in ours] == []
    shown = json.dumps(description)
    for example in ours:
        assert json.dumps(example) in shown


def test_every_endpoint_of_the_reference_is_described(description: dict[str, Any]) -> None:
    reference = re.findall(r"^(GET|POST|PUT|PATCH|DELETE) (/\S+)$", REFERENCE.read_text(), re.MULTILINE)
    assert len(reference) == 11
    described = {(method, path) for method, path, _ in operations(description)}
    assert [endpoint for endpoint in reference if endpoint not in described] == []


def test_our_page_has_the_references_program_for_events() -> None:
    """The reference has lost its indentation, and knows the gateway by another name."""
    start = (reference := REFERENCE.read_text()).index("const ws = new WebSocket")
    theirs = reference[start : reference.index("};", start) + 2].replace("gateway-ip", "vpn-gateway.lan")
    (ours,) = re.findall(r"^```javascript\n(.*?)^```$", (ROOT / "docs/api.md").read_text(), re.MULTILINE | re.DOTALL)
    assert [line.strip() for line in ours.splitlines()] == theirs.splitlines()


def test_every_example_is_shown(description: dict[str, Any]) -> None:
    described = {(method, path): operation for method, path, operation in operations(description)}
    for key, value in examples.REQUESTS.items():
        content = described[key]["requestBody"]["content"]["application/json"]
        assert content["examples"]["reference"]["value"] == value
    for key, value in examples.ANSWERS.items():
        (content,) = described[key]["responses"]["200"]["content"].values()
        assert content["examples"]["reference"]["value"] == value


def test_errors_follow_from_the_declaration(description: dict[str, Any]) -> None:
    answers = description["paths"]["/api/connect"]["post"]["responses"]
    for status in ("200", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503", "504"):
        assert status in answers
    assert "415" not in description["paths"]["/api/status"]["get"]["responses"]
    assert description["paths"]["/health"]["get"]["security"] == []
    error = description["components"]["responses"]["429"]
    assert set(error["headers"]) >= {"Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}


def test_security_is_optional_only_while_there_is_no_password() -> None:
    app = create_app(FakeGateway())
    for password_set, first in ((False, {}), (True, {"bearer": ["connect"]})):
        description = json.loads(document(app, password_set=password_set))
        assert description["paths"]["/api/connect"]["post"]["security"][0] == first


def test_it_is_served_and_so_is_its_page(call: Call) -> None:
    answer = call("GET", "/api/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json()["paths"]["/api/openapi.json"]
    page = call("GET", "/api/docs")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 4
    for file in files:
        assert file.startswith("/")
        assert not file.startswith("//")
        assert call("GET", file).status_code == 200


def test_page_contacts_no_other_host() -> None:
    for name in ("docs/docs.js", "css/docs.css"):
        assert not re.search(r"https?://|[\"'(]//", (STATIC / name).read_text())


SECRET_FIELDS = {
    *("password", "current", "code", "passphrase", "account", "token", "refresh_token", "private_key", "preshared_key"),
    *("config", "variables", "credentials"),
}


def values(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Something for every field, what may be a secret with a mark."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in SECRET_FIELDS:
            found[field.name] = "s3cret-mark"
        elif field.required:
            found[field.name] = b"" if field.type is bytes else "x"
    return found


def test_nothing_that_takes_a_secret_shows_it() -> None:
    app = create_app(FakeGateway())
    declared = (getattr(view, "operation", None) for view in app.view_functions.values())
    bodies = {o.body for o in declared if o is not None and o.body not in (None, bytes)}
    looked_at = 0
    commands = set(typing.get_args(AnyCommand))
    answers = {command.result_type() for command in commands} & {
        kind for kind in vars(answers_module).values() if isinstance(kind, type)
    }
    for kind in bodies | commands | answers:
        given = values(kind)
        if "s3cret-mark" in given.values():
            looked_at += 1
            assert "s3cret-mark" not in repr(kind(**given)), kind
    assert looked_at >= 8
