"""The declaration of an operation of the API: method, path, typed body, typed answer.

A handler is a plain coroutine: path parameters and ``body`` come in, a Struct goes out. The declaration stays on the
view function, so that a description of the API can be made from the code's own types.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, cast, get_args, get_type_hints

import msgspec
from quart import Blueprint, Response

from app import serialization
from app.api.body import check_parameter, read_bytes, read_json, read_optional_json, read_query
from app.auth.scope import Scope
from app.protocol.answers import ListOffer

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[msgspec.Struct]])


JSON = "application/json"

# The rate limit that counts the operation.
Limit = Literal["general", "connection"]


class Operation(msgspec.Struct, frozen=True):
    method: str
    path: str  # as the router writes it, with <parameters>
    body: type[msgspec.Struct] | type[bytes] | None
    body_required: bool
    answer: type[msgspec.Struct]
    summary: str
    description: str
    query: type[msgspec.Struct] | None
    scope: Scope
    needs_owner: bool  # refused as long as no admin password is set (docs/auth.md)
    limit: Limit
    accepts: str  # media type of the body
    produces: str  # media type of the answer; anything but JSON is a Download
    status: int
    name: str = ""  # of the handler; unique in the whole API
    tag: str = ""  # the resource
    module: str = ""  # whose docstring describes the resource
    parameters: dict[str, Any] = {}  # types of the path's parameters, as msgspec reads them
    errors: tuple[int, ...] = ()  # statuses beyond those that follow from the rest of the declaration


class Download(msgspec.Struct, frozen=True):
    """An answer that is not JSON: text, a table, a file. With a ``filename`` the browser saves it."""

    data: bytes
    filename: str | None = None
    status: int | None = None  # None = the operation's


class Success(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer ``{"success": true}`` of the API contract (docs/api.md), with optional details."""

    success: bool
    message: str | None = None
    warnings: tuple[str, ...] = ()
    public_key: str | None = None  # the gateway's, to be entered at the server
    server: str | None = None  # the one chosen, where a place was asked for
    opens: ListOffer | None = None  # of an imported file: the server list that its key opens


def reply(value: msgspec.Struct, status: int = 200) -> Response:
    return Response(serialization.encode(value) + b"\n", status, content_type="application/json")


def _body(hint: Any) -> tuple[type[msgspec.Struct] | type[bytes] | None, bool]:
    """The type that a body's annotation names, and whether it must be there."""
    options = get_args(hint)
    if not options:
        return hint, hint is not None
    (struct,) = (option for option in options if option is not type(None))
    return struct, type(None) not in options


def _default_scope(method: str) -> Scope:
    return "read" if method == "GET" else "admin"


def _needs_owner_by_default(method: str, scope: Scope) -> bool:
    """Whether the operation is closed without a password: everything but looking at what every reader may see."""
    return method != "GET" or scope == "admin"


def operation(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    scope: Scope | None = None,
    needs_owner: bool | None = None,
    limit: Limit = "general",
    accepts: str = JSON,
    produces: str = JSON,
    status: int = 200,
    errors: tuple[int, ...] = (),
) -> Callable[[Handler], Handler]:
    """Serve ``path`` with the decorated handler.

    A parameter named ``body`` takes the validated JSON (annotated ``Struct | None``, it may be left out) or, annotated
    ``bytes``, content of the media type ``accepts``; one named ``query`` takes the query string as its Struct. A
    handler whose answer is no JSON returns a :class:`Download` and names its media type in ``produces``. Any other
    parameter is one of the path; ``Annotated`` with ``Meta`` it is checked, and a bad value is refused with its name.
    Without ``scope``, reading needs ``read`` and everything else ``admin``. Without ``needs_owner``, everything but
    such reading is refused until an admin password is set (``set_password_first``). ``errors`` adds statuses to those
    that the description derives automatically (see :mod:`app.api.openapi`).
    """

    def decorate(handler: Handler) -> Handler:
        hints = get_type_hints(handler)
        body, required = _body(hints.get("body"))
        query = hints.get("query")
        parameters = {
            name: hint
            for name, hint in get_type_hints(handler, include_extras=True).items()
            if name not in {"body", "query", "return"}
        }

        async def view(**values: Any) -> Response:
            for name, value in values.items():
                check_parameter(name, value, parameters[name])
            if query is not None:
                values["query"] = read_query(query)
            if body is bytes:
                values["body"] = await read_bytes(accepts)
            elif body is not None:
                values["body"] = await (read_json(body) if required else read_optional_json(body))
            return _answer(await handler(**values), produces, status)

        needed = scope or _default_scope(method)
        summary, _, description = (handler.__doc__ or "").strip().partition("\n")
        made = Operation(
            method=method,
            path=path,
            body=body,
            body_required=required,
            answer=hints["return"],
            summary=summary,
            description=inspect.cleandoc(description),
            query=query,
            scope=needed,
            needs_owner=_needs_owner_by_default(method, needed) if needs_owner is None else needs_owner,
            limit=limit,
            accepts=accepts,
            produces=produces,
            status=status,
            name=handler.__name__,
            tag=blueprint.name,
            module=handler.__module__,
            parameters=parameters,
            errors=errors,
        )
        view.operation = handler.operation = made  # pyright: ignore[reportFunctionMemberAccess]
        blueprint.add_url_rule(path, endpoint=handler.__name__, view_func=view, methods=[method])
        return handler

    return decorate


def declared(handler: Callable[..., Any]) -> Operation:
    """The declaration of a handler."""
    return cast("Operation", handler.operation)  # pyright: ignore[reportFunctionMemberAccess]


def _answer(value: msgspec.Struct, produces: str, status: int) -> Response:
    if not isinstance(value, Download):
        return reply(value, status)
    response = Response(value.data, value.status or status, content_type=produces)
    if value.filename is not None:
        response.headers["Content-Disposition"] = f'attachment; filename="{value.filename}"'
    return response
