"""One declaration for each operation of the API: method, path, typed body, typed answer.

A handler is a plain coroutine: path parameters and ``body`` come in, a Struct goes out. The declaration stays on the
view function, so that a description of the API can be made from the code's own types.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from quart import Blueprint, Response

from app import codec
from app.api.body import read_json, read_optional_json

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[msgspec.Struct]])


class Operation(msgspec.Struct, frozen=True):
    method: str
    path: str  # as the router writes it, with <parameters>
    body: type[msgspec.Struct] | None
    body_required: bool
    answer: type[msgspec.Struct]
    summary: str


class Success(msgspec.Struct, frozen=True, omit_defaults=True):
    """The reference's ``{"success": true}``, with what else there is to say."""

    success: bool
    message: str | None = None
    warnings: tuple[str, ...] = ()
    public_key: str | None = None  # ours, to be entered at the server


def reply(value: msgspec.Struct, status: int = 200) -> Response:
    return Response(codec.encode(value) + b"\n", status, content_type="application/json")


def _body(hint: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The Struct that a body's annotation names, and whether it must be there."""
    options = get_args(hint)
    if not options:
        return hint, hint is not None
    (struct,) = (option for option in options if option is not type(None))
    return struct, type(None) not in options


def operation(blueprint: Blueprint, method: str, path: str) -> Callable[[Handler], Handler]:
    """Serve ``path`` with the decorated handler; a parameter named ``body`` takes the validated JSON.

    Annotated ``Struct | None``, the body may be left out.
    """

    def decorate(handler: Handler) -> Handler:
        hints = get_type_hints(handler)
        body, required = _body(hints.get("body"))

        async def view(**values: Any) -> Response:
            if body is not None:
                values["body"] = await (read_json(body) if required else read_optional_json(body))
            return reply(await handler(**values))

        summary = (handler.__doc__ or "").strip().partition("\n")[0]
        view.operation = Operation(method, path, body, required, hints["return"], summary)  # pyright: ignore[reportFunctionMemberAccess]
        blueprint.add_url_rule(path, endpoint=handler.__name__, view_func=view, methods=[method])
        return handler

    return decorate
