"""JSON Schemas as TypeScript declarations (pure).

The module handles the subset of JSON Schema that msgspec writes and refuses the rest, so that no type is looser than
its schema.
"""

from __future__ import annotations

import json
from typing import Any

_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = dict[str, Any]


class UnknownSchemaError(Exception):
    """The schema is outside the handled subset."""


def declaration(name: str, schema: Schema) -> str:
    """An interface for a schema with properties, else a type of that name. Raises UnknownSchemaError."""
    comment = f"/** {' '.join(schema['description'].split())} */\n" if "description" in schema else ""
    if "properties" not in schema:
        return f"{comment}export type {name} = {type_text(schema)};\n"
    required = schema.get("required", ())
    fields = [
        f"  {field}{'' if field in required else '?'}: {type_text(part)};\n"
        for field, part in schema["properties"].items()
    ]
    return f"{comment}export interface {name} {{\n{''.join(fields)}}}\n"


def type_text(schema: Schema) -> str:
    """The type of a value of this schema. Raises UnknownSchemaError."""
    match schema:
        case {"$ref": reference}:
            return type_name(reference.rpartition("/")[2])
        case {"anyOf": options}:
            return " | ".join(type_text(option) for option in options)
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"type": "array", "items": items}:
            return f"Array<{type_text(items)}>"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"Record<string, {type_text(values)}>"
        case {"type": "object"} if "properties" not in schema:
            return "Record<string, unknown>"
        case {"type": str(kind)} if kind in _SIMPLE:
            return _SIMPLE[kind]
        case _ if not schema.keys() - {"description", "default", "title"}:
            return "unknown"
        case _:
            raise UnknownSchemaError(json.dumps(schema))


def type_name(name: str) -> str:
    """The name of a component; Structs of the same name have their module as a prefix: ``app.api.traffic.Body``."""
    *modules, own = name.split(".")
    return (modules[-1].title().replace("_", "") if modules else "") + own
