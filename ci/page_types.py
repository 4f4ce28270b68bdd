"""Generates the page's TypeScript types (``make types``): the API's from its description, the events' from theirs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from quart import Quart

from app.api import BLUEPRINTS
from app.api.openapi import document
from ci import event_types
from ci.typescript import Schema, declaration, type_name, type_text

OUT = Path(__file__).resolve().parents[1] / "app" / "web" / "types"
_HEAD = """\
/** The API's types, generated from its description by `make types`. */

"""
_PARAMETER = re.compile(r"\{[^{}]+\}")


def described() -> Schema:
    """The OpenAPI description, of an application that serves no request."""
    app = Quart(__name__)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return json.loads(document(app))


def files() -> dict[Path, str]:
    """The generated files and what belongs into them."""
    description = described()
    return {
        OUT / "api.d.ts": api_types(description),
        OUT / "events.d.ts": event_types.typescript(description["components"]["schemas"]),
    }


def api_types(description: Schema) -> str:
    """The declarations: an interface for each schema, then each operation with its request and response bodies."""
    components: dict[str, Schema] = description["components"]["schemas"]
    made = [declaration(type_name(name), schema) for name, schema in sorted(components.items())]
    return _HEAD + "\n".join([*made, _operations(description["paths"])])


def _operations(paths: dict[str, dict[str, Schema]]) -> str:
    lines = ["/** Every operation by its method and path; `body` is `never` for an operation without one. */"]
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
    body = type_text(content["schema"]) if "schema" in content else "Blob"
    return body if operation["requestBody"]["required"] else f"{body} | undefined"


def _answer(operation: Schema) -> str:
    types = [
        type_text(content["schema"]) if "schema" in content else "Blob"
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for content in answer["content"].values()
    ]
    return " | ".join(types) or "never"


def main() -> int:
    for path, text in files().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
