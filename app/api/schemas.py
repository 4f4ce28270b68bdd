"""The JSON Schemas of the Structs that the operations name."""

from __future__ import annotations

import inspect
import ipaddress
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import msgspec.inspect

from app.addresses import Address, Interface, Network
from app.api.errors import ErrorBody
from app.api.operation import Download, Operation
from app.model import Secret

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_PREFIX = _REFERENCE.format(name="")
_TEXTS: dict[Any, Schema] = {
    Address: {"description": "An IPv4 or IPv6 address"},
    Network: {"description": "An IPv4 or IPv6 network with its prefix length"},
    Interface: {"description": "An IPv4 or IPv6 address with its prefix length"},
    ipaddress.IPv4Address: {"format": "ipv4"},
    ipaddress.IPv6Address: {"format": "ipv6"},
    ipaddress.IPv4Interface: {"description": "An IPv4 address with its prefix length"},
    ipaddress.IPv6Interface: {"description": "An IPv6 address with its prefix length"},
    ipaddress.IPv4Network: {"description": "An IPv4 network with its prefix length"},
    ipaddress.IPv6Network: {"description": "An IPv6 network with its prefix length"},
    Secret: {"writeOnly": True},
}


def text_schema(kind: type) -> Schema:
    """The schema of a type that :mod:`app.serialization` writes as text. Raises NotImplementedError for any other."""
    if kind not in _TEXTS:
        raise NotImplementedError
    return {"type": "string"} | _TEXTS[kind]


class Schemas:
    """The schemas of all bodies, answers and queries; those of queries are taken apart into parameters."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        bodies = {o.body for o in operations if o.body is not None and o.body is not bytes}
        answers = {o.answer for o in operations if o.answer is not Download} | {ErrorBody}
        queries = {o.query for o in operations if o.query is not None}
        types = sorted(bodies | answers | queries, key=lambda t: (t.__module__, t.__qualname__))
        references, components = msgspec.json.schema_components(types, schema_hook=text_schema, ref_template=_REFERENCE)
        self._references = dict(zip(types, references, strict=True))
        self.components: dict[str, Schema] = {name: _plain(schema) for name, schema in components.items()}
        self._queries = {q: self.components.pop(_name(self._references[q])) for q in queries - bodies - answers}
        self._complete(answers, bodies)

    def of(self, kind: type) -> Schema:
        return self._references[kind]

    def query(self, kind: type[msgspec.Struct] | None) -> list[Schema]:
        """The parameters of a query string."""
        if kind is None:
            return []
        schema = self._queries[kind]
        return [
            {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _given(part)}
            for name, part in schema["properties"].items()
        ]

    def _complete(self, answers: set[Any], bodies: set[Any]) -> None:
        """Make every field of a Struct that is only ever answered a required one: defaults are for bodies."""
        asked = self._reached(self._references[b] for b in bodies)
        sparse = _sparse(answers)
        for name in self._reached(self._references[a] for a in answers) - asked - sparse:
            schema = self.components[name]
            if "properties" in schema:
                schema["required"] = list(schema["properties"])
                for part in schema["properties"].values():
                    part.pop("default", None)

    def _reached(self, schemas: Iterable[Schema]) -> set[str]:
        found: set[str] = set()
        waiting: list[Any] = list(schemas)
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                name = _name(part)
                if name and name not in found:
                    found.add(name)
                    waiting.append(self.components[name])
                waiting.extend(part.values())
            elif isinstance(part, list):
                waiting.extend(part)
        return found


def _name(schema: Schema) -> str:
    reference = schema.get("$ref", "")
    return reference.removeprefix(_PREFIX) if isinstance(reference, str) else ""


def markdown(text: str) -> str:
    """A docstring's text: its indentation and the marks of reStructuredText removed."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.cleandoc(text).replace("``", "`"))


def _plain(schema: Schema) -> Schema:
    if "description" in schema:
        schema["description"] = markdown(schema["description"])
    _allow_repetition(schema)
    return schema


def _allow_repetition(part: Any) -> None:
    """Take the claim away that msgspec makes of every set: what is named twice in one is in it once."""
    if isinstance(part, dict):
        if part.get("uniqueItems") is True:
            del part["uniqueItems"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            _allow_repetition(one)


def _sparse(types: Iterable[Any]) -> set[str]:
    """The names of the Structs that leave fields out."""
    found: set[type] = set()
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(types))
    while waiting:
        part = waiting.pop()
        if isinstance(part, msgspec.inspect.StructType):
            if part.cls in found:
                continue
            found.add(part.cls)
        if isinstance(part, msgspec.Struct):
            waiting.extend(getattr(part, name) for name in part.__struct_fields__)
        elif isinstance(part, tuple):
            waiting.extend(part)
    return {kind.__name__ for kind in found if kind.__struct_config__.omit_defaults}


def _given(schema: Schema) -> Schema:
    """The schema of an optional parameter without null, which a query string cannot express."""
    options = [o for o in schema.get("anyOf", []) if o != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in {"anyOf", "default"} or (k == "default" and v is not None)}
    if not options:
        return rest
    return rest | (options[0] if len(options) == 1 else {"anyOf": options})
