"""The page's types are those of the API as it is now, and none is looser."""

from __future__ import annotations

from typing import Any

import pytest

from ci.page_types import OUT, UnknownSchemaError, described, typescript


def test_the_types_are_up_to_date() -> None:
    assert OUT.read_text() == typescript(described()), "make types"


def declared(schema: dict[str, Any], name: str = "Body") -> str:
    text = typescript({"components": {"schemas": {name: schema}}, "paths": {}})
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
def test_a_schema_as_a_type(schema: dict[str, Any], written: str) -> None:
    assert declared(schema) == f"export type Body = {written};\n"


def test_a_field_may_be_left_out_where_it_is_not_required() -> None:
    properties = {"mac": {"type": "string"}, "name": {"type": "string", "default": ""}}
    schema = {"description": "A device\nof the LAN", "type": "object", "properties": properties, "required": ["mac"]}
    assert declared(schema, "app.api.devices.Device") == (
        "/** A device of the LAN */\nexport interface DevicesDevice {\n  mac: string;\n  name?: string;\n}\n"
    )


@pytest.mark.parametrize("schema", [{"not": {}}, {"type": "array"}, {"type": ["string", "null"]}])
def test_a_schema_that_is_not_known_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnknownSchemaError):
        declared(schema)


def test_an_operation_has_its_body_and_its_answer() -> None:
    def content(schema: dict[str, Any]) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema}}}

    text = {"type": "string"}
    operation = {
        "requestBody": {"required": False, **content({"type": "integer"})},
        "responses": {"200": content(text), "404": content({"type": "null"})},
    }
    written = typescript({"components": {"schemas": {}}, "paths": {"/api/keys/{id}": {"put": operation}}})
    assert '  "PUT /api/keys/{}": { body: number | undefined; answer: string };\n' in written
