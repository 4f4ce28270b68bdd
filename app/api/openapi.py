"""The OpenAPI 3.1 description, made from the operations' declarations; msgspec writes the JSON Schemas (2020-12).

Every route declared with :func:`app.api.operation.operation` appears automatically; none is listed here by name.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any, cast

import msgspec
from quart import Quart
from werkzeug.routing import Rule

from app import __version__
from app.api import examples
from app.api.auth.credentials import COOKIE
from app.api.errors import ErrorBody
from app.api.operation import JSON, Download, Operation
from app.api.schemas import Schemas, markdown

SUMMARIES = {
    400: "The request could not be understood",
    401: "Sign in first: a password is set",
    403: "Refused: from another site, under a foreign name, or not permitted to this key",
    404: "Not found",
    409: "The request conflicts with the present state",
    413: "The content is larger than the limit",
    415: "The content has an unsupported media type",
    422: "A field has a value that cannot be used; `field` names it",
    426: "This path speaks WebSocket",
    429: "Too many requests",
    500: "A bug of the gateway; its log has the place",
    501: "This version cannot do that",
    503: "The gateway's network service does not answer; its last rules stay in force",
    502: "The provider sent an invalid answer",
    504: "No answer from the VPN server in time; the message names the cause",
}
_EVERYWHERE = {400, 403, 429, 500, 503}
_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_MORE_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_HEADERS = {
    "X-RateLimit-Limit": ("Requests a second that this client may send", "integer"),
    "X-RateLimit-Remaining": ("Requests left at this moment", "integer"),
    "X-RateLimit-Reset": ("Unix time at which all of them are available again", "integer"),
    "Retry-After": ("Seconds to wait", "integer"),
    "WWW-Authenticate": ("The accepted schemes (RFC 9110 11.6.1)", "string"),
}
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?(?P<name>[^<>]+)>")
_INTRODUCTION = """\
The gateway's HTTP API.

Open to the LAN until an admin password is set; from then on a session's cookie or a bearer token (a JWT or an API key)
is needed. Scopes include each other: `read` < `connect` < `admin`. Unknown fields are refused, not ignored. Events come
by WebSocket at `/ws`, GraphQL is at `/graphql`.
"""


def document(app: Quart, *, password_set: bool = False) -> bytes:
    """The description of every operation that ``app`` serves, as JSON."""
    return msgspec.json.encode(_document(_operations(app), password_set)) + b"\n"


def _operations(app: Quart) -> list[Operation]:
    rules = cast("Iterable[Rule]", app.url_map.iter_rules())
    found = (getattr(app.view_functions.get(rule.endpoint), "operation", None) for rule in rules)
    return sorted({o.method + o.path: o for o in found if o is not None}.values(), key=lambda o: (o.path, o.method))


def _document(operations: list[Operation], password_set: bool) -> dict[str, Any]:
    schemas = Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(template(operation.path), {})[operation.method.lower()] = _operation(
            operation, schemas, password_set
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VPN Gateway",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(operations),
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {str(status): _error(status) for status in SUMMARIES},
            "headers": {name: {"description": d, "schema": {"type": t}} for name, (d, t) in _HEADERS.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token (JWT) from `POST /api/auth/login`, or an API key.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "The browser's session; HttpOnly, SameSite=Strict.",
                },
            },
        },
    }


def template(path: str) -> str:
    """The router's ``<name>`` as OpenAPI's ``{name}``."""
    return _PARAMETER.sub(r"{\g<name>}", path)


def _tags(operations: list[Operation]) -> list[dict[str, str]]:
    described = {
        o.tag: markdown((inspect.getdoc(sys.modules.get(o.module)) or "").partition("\n")[0]) for o in operations
    }
    return [{"name": tag, "description": described[tag]} for tag in sorted(described)]


def _operation(operation: Operation, schemas: Schemas, password_set: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": markdown(operation.summary),
        "security": _security(operation, password_set),
        "responses": _responses(operation, schemas),
    }
    if operation.description:
        made["description"] = markdown(operation.description)
    if parameters := [*_path_parameters(operation), *schemas.query(operation.query)]:
        made["parameters"] = parameters
    if operation.body is not None:
        content: dict[str, Any] = {} if operation.body is bytes else {"schema": schemas.of(operation.body)}
        _add_example(content, examples.REQUESTS, operation)
        made["requestBody"] = {"required": operation.body_required, "content": {operation.accepts: content}}
    return made


def _security(operation: Operation, password_set: bool) -> list[dict[str, list[str]]]:
    """The accepted credentials, as alternatives; ``{}`` = none needed, as long as there is no password."""
    if operation.scope == "public":
        return []
    needed: list[dict[str, list[str]]] = [{"bearer": [operation.scope]}, {"session": [operation.scope]}]
    return needed if password_set else [{}, *needed]


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"pattern": "^[^/]+$"} | msgspec.json.schema(operation.parameters.get(name, str)),
        }
        for name in _PARAMETER.findall(operation.path)
    ]


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if operation.status in SUMMARIES:  # its only answer is an error
        made[str(operation.status)] = {"$ref": f"#/components/responses/{operation.status}"}
    else:
        made[str(operation.status)] = _answer(operation, schemas)
    for status in sorted(_error_statuses(operation)):
        made.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
    if operation.produces.startswith("text/plain"):
        for status in operation.errors:  # answered in the operation's own form
            made[str(status)] = _error(status) | {"content": _error(status)["content"] | {_media_type(operation): {}}}
    return made


def _error_statuses(operation: Operation) -> set[int]:
    """The statuses that follow from the declaration, by the checks before and behind the handler."""
    found = _EVERYWHERE | set(operation.errors)
    if operation.scope != "public":
        found.add(401)
    if operation.body is not None:
        found |= {413, 415, 422}
    if operation.query is not None:
        found.add(422)
    if "<" in operation.path:
        found |= {404, 422}
    if operation.method != "GET":
        found |= {404, 409}
    if operation.limit == "connection":
        found |= {501, 504}
    return found


def _media_type(operation: Operation) -> str:
    return operation.produces.partition(";")[0]


def _answer(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.answer is not Download:
        content["schema"] = schemas.of(operation.answer)
    elif operation.produces.startswith("text/"):
        content["schema"] = {"type": "string"}
    elif operation.produces == JSON:
        content["schema"] = {"type": "object"}
    _add_example(content, examples.ANSWERS, operation)
    return {
        "description": "Success",
        "headers": _header_references(_LIMITS),
        "content": {_media_type(operation): content},
    }


def _error(status: int) -> dict[str, Any]:
    return {
        "description": SUMMARIES[status],
        "headers": _header_references((*_LIMITS, *_MORE_HEADERS.get(status, ()))),
        "content": {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"},
                "examples": {"reference": {"value": examples.ERROR}},
            }
        },
    }


def _header_references(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _add_example(content: dict[str, Any], known: dict[tuple[str, str], Any], operation: Operation) -> None:
    value = known.get((operation.method, template(operation.path)))
    if value is not None:
        content["examples"] = {"reference": {"summary": "As in the API reference", "value": value}}
