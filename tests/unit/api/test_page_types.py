"""The page's types are those of the API and of the events as they are now, and none is looser."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.messages import payload_types
from ci import event_types
from ci.page_types import api_types, described, files
from ci.typescript import UnknownSchemaError


def test_types_are_up_to_date() -> None:
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: make types"


def declared(schema: dict[str, Any], name: str = "Body") -> str:
    text = api_types({"components": {"schemas": {name: schema}}, "paths": {}})
    return text.partition("\n\n")[2].partition("\n/** Every operation")[0]


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string", "format": "ipv4"}, "string"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "number | null"),
        ({"enum": ["read", 1]}, '"read" | 1'),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "Array<string | null>"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "Record<string, boolean>"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"$ref": "#/components/schemas/app.api.traffic.DevicesBody"}, "TrafficDevicesBody"),
        ({}, "unknown"),
    ],
)
def test_schema_becomes_a_type(schema: dict[str, Any], written: str) -> None:
    assert declared(schema) == f"export type Body = {written};\n"


def test_field_is_optional_where_it_is_not_required() -> None:
    properties = {"mac": {"type": "string"}, "name": {"type": "string", "default": ""}}
    schema = {"description": "A device\nof the LAN", "type": "object", "properties": properties, "required": ["mac"]}
    assert declared(schema, "app.api.devices.Device") == (
        "/** A device of the LAN */\nexport interface DevicesDevice {\n  mac: string;\n  name?: string;\n}\n"
    )


@pytest.mark.parametrize("schema", [{"not": {}}, {"type": "array"}, {"type": ["string", "null"]}])
def test_unknown_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnknownSchemaError):
        declared(schema)


def test_operation_has_its_body_and_its_answer() -> None:
    def content(schema: dict[str, Any]) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema}}}

    text = {"type": "string"}
    operation = {
        "requestBody": {"required": False, **content({"type": "integer"})},
        "responses": {"200": content(text), "404": content({"type": "null"})},
    }
    written = api_types({"components": {"schemas": {}}, "paths": {"/api/keys/{id}": {"put": operation}}})
    assert '  "PUT /api/keys/{}": { body: number | undefined; answer: string };\n' in written


EVENTS = event_types.typescript(described()["components"]["schemas"])


def test_every_message_has_its_payload_type() -> None:
    table = EVENTS.partition("export interface Payloads {\n")[2].partition("}")[0]
    assert [line.partition(":")[0].strip() for line in table.splitlines()] == sorted(payload_types())
    assert "  heartbeat: null;\n" in table


def test_event_fields_that_may_be_unset_are_optional() -> None:
    assert "export interface ServersChanged {\n  provider: string;\n  added?: string;\n" in EVENTS


def test_event_fields_with_a_default_are_always_sent() -> None:
    assert "  exits: Record<string, Bytes>;\n" in EVENTS


def test_event_types_of_the_api_are_imported() -> None:
    assert 'import type { Bytes, DeviceBody, ErrorBody, StatusBody } from "./api.d.ts";\n' in EVENTS
    assert "interface StatusBody" not in EVENTS


def test_event_type_that_differs_from_the_api_is_refused() -> None:
    other = {"StatusBody": {"properties": {"other": {"type": "string"}}}}
    with pytest.raises(UnknownSchemaError, match="StatusBody"):
        event_types.typescript(described()["components"]["schemas"] | other)
