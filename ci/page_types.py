"""Generates the page's TypeScript types from the OpenAPI description (``make types``).

The generator handles the subset of JSON Schema that msgspec writes and refuses the rest, so that no type is looser than
the API.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from quart import Quart

from app.api import BLUEPRINTS
from app.api.openapi import document

OUT = Path(__file__).resolve().parents[1] / "app" / "web" / "types" / "api.d.ts"
_HEAD = """\
/** The API's types, from its own description: made by `make types`. */

"""
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_PARAMETER = re.compile(r"\{[^{}]+\}")

Schema = dict[str, Any]


class UnknownSchemaError(Exception):
    """The schema is outside the handled subset."""


def described() -> Schema:
    """The OpenAPI description, of an application that serves no request."""
    app = Quart(__name__)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return json.loads(document(app))


def typescript(description: Schema) -> str:
    """The declarations: an interface for each schema, then each operation with its request and response bodies."""
    components: dict[str, Schema] = description["components"]["schemas"]
    made = [_declared(_name(name), schema) for name, schema in sorted(components.items())]
    return _HEAD + "\n".join([*made, _operations(description["paths"])])


def _declared(name: str, schema: Schema) -> str:
    comment = f"/** {' '.join(schema['description'].split())} */\n" if "description" in schema else ""
    if "properties" not in schema:
        return f"{comment}export type {name} = {_type(schema)};\n"
    required = schema.get("required", ())
    fields = [
        f"  {field}{'' if field in required else '?'}: {_type(part)};\n" for field, part in schema["properties"].items()
    ]
    return f"{comment}export interface {name} {{\n{''.join(fields)}}}\n"


def _operations(paths: dict[str, dict[str, Schema]]) -> str:
    lines = ["/** Every operation by its method and path; `body` is never where none is sent. */"]
    lines.append("export interface Operations {")
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            key = f"{method.upper()} {_PARAMETER.sub('{}', path)}"
            lines.append(f'  "{key}": {{ body: {_body(operation)}; answer: {_answer(operation)} }};')
    return "\n".join([*lines, "}\n"])


def _body(operation: Schema) -> str:
    if "requestBody" not in operation:
        return "never"
    (content,) = operation["requestBody"]["content"].values()
    body = _type(content["schema"]) if "schema" in content else "Blob"
    return body if operation["requestBody"]["required"] else f"{body} | undefined"


def _answer(operation: Schema) -> str:
    types = [
        _type(content["schema"]) if "schema" in content else "Blob"
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for content in answer["content"].values()
    ]
    return " | ".join(types) or "never"


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": reference}:
            return _name(reference.rpartition("/")[2])
        case {"anyOf": options}:
            return " | ".join(_type(option) for option in options)
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"type": "array", "items": items}:
            return f"Array<{_type(items)}>"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"Record<string, {_type(values)}>"
        case {"type": "object"} if "properties" not in schema:
            return "Record<string, unknown>"
        case {"type": str(kind)} if kind in _SIMPLE:
            return _SIMPLE[kind]
        case _ if not schema.keys() - {"description", "default", "title"}:
            return "unknown"
        case _:
            raise UnknownSchemaError(json.dumps(schema))


def _name(name: str) -> str:
    """The name of a component; Structs of the same name have their module as a prefix: ``app.api.traffic.Body``."""
    *modules, own = name.split(".")
    return (modules[-1].title().replace("_", "") if modules else "") + own


def main() -> int:
    OUT.write_text(typescript(described()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
