"""The TypeScript types of the messages on ``/ws``, from the gateway's events and the web service's own messages.

A type that the API's description has too is imported from its types and not declared a second time.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from app.api.messages import Message, payload_types
from app.api.schemas import markdown, text_schema
from ci.typescript import Schema, UnknownSchemaError, declaration, type_name, type_text

_REFERENCE = "#/components/schemas/"
_HEAD = """\
/** The messages of the event stream, generated from the gateway's events by `make types`. */

"""


def typescript(api: dict[str, Schema]) -> str:
    """The declarations; ``api`` are the schemas of the API's description. Raises UnknownSchemaError."""
    payloads = payload_types()
    structs = [kind for kind in payloads.values() if kind is not None]
    references, components = msgspec.json.schema_components(
        structs, schema_hook=text_schema, ref_template=_REFERENCE + "{name}"
    )
    named = dict(zip(structs, references, strict=True))
    own = {
        name: _as_sent(kind, components[name])
        for kind, reference in named.items()
        if (name := reference["$ref"].removeprefix(_REFERENCE)) not in api
    }
    imported = set[str]()
    for schema in [*named.values(), *own.values()]:
        for name in re.findall(f'"{_REFERENCE}([^"]+)"', msgspec.json.encode(schema).decode()):
            if name not in own:
                _check_same(name, components[name], api)
                imported.add(type_name(name))
    table = [
        f"  {name}: {'null' if kind is None else type_text(named[kind])};\n" for name, kind in sorted(payloads.items())
    ]
    return _HEAD + "\n".join(
        [
            f'import type {{ {", ".join(sorted(imported))} }} from "./api.d.ts";\n',
            *(declaration(type_name(name), schema) for name, schema in sorted(own.items())),
            f"/** What each type of message carries. */\nexport interface Payloads {{\n{''.join(table)}}}\n",
            _message(),
        ]
    )


def _as_sent(kind: type[msgspec.Struct], schema: Schema) -> Schema:
    """The schema of the payload: without the tag, which is the message's type, and with every field that is set."""
    properties = dict(schema["properties"])
    if kind.__struct_config__.tag is not None:
        del properties[kind.__struct_config__.tag_field]
    required = [field.encode_name for field in msgspec.structs.fields(kind) if field.default is not msgspec.UNSET]
    description = {"description": markdown(schema["description"])} if "description" in schema else {}
    return schema | description | {"properties": properties, "required": required}


def _check_same(name: str, schema: Schema, api: dict[str, Schema]) -> None:
    """Raises UnknownSchemaError where the API's description has another thing under this name, or none."""
    if name not in api or api[name].get("properties", {}).keys() != schema.get("properties", {}).keys():
        raise UnknownSchemaError(f"{name} is not the type of this name in the API's description")


def _message() -> str:
    fields: list[Any] = list(msgspec.structs.fields(Message))
    rest = "".join(
        f"; {field.encode_name}: {type_text(msgspec.json.schema(field.type))}"
        for field in fields
        if field.encode_name not in {"type", "payload"}
    )
    return (
        "export type Message = {\n"
        f"  [T in keyof Payloads]: {{ type: T; payload: Payloads[T]{rest} }};\n"
        "}[keyof Payloads];\n"
    )
