"""The bridge from GraphQL fields to REST operations: their scope, their limit, their checks, their handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from app.api import limits
from app.api.body import check_parameter, convert
from app.api.graphql.access import require
from app.api.operation import declared

Answer = TypeVar("Answer", bound=msgspec.Struct)


def chosen(given: dict[str, Any]) -> dict[str, Any]:
    """``given`` without its None values."""
    return {name: value for name, value in given.items() if value is not None}


async def call(
    handler: Callable[..., Awaitable[Answer]],
    given: dict[str, Any] | None = None,
    *,
    nulls: bool = False,
    **parameters: str,
) -> Answer:
    """The answer of an endpoint's ``handler`` to ``given`` as its body or query.

    None values are left out; with ``nulls`` they are passed as null.

    Raises what the endpoint raises: UnauthorizedError, ForbiddenError, TooManyRequestsError, InvalidFieldError, and
    the handler's own.
    """
    operation = declared(handler)
    require(operation.scope, needs_owner=operation.needs_owner)
    if operation.limit != "general":  # the general limit has counted the whole request already
        limits.count(operation.limit)
    values: dict[str, Any] = {}
    for name, value in parameters.items():
        check_parameter(name, value, operation.parameters[name])
        values[name] = value
    named = (given or {}) if nulls else chosen(given or {})
    if operation.body is not None:
        values["body"] = convert(named, operation.body)
    if operation.query is not None:
        values["query"] = convert(named, operation.query)
    return await handler(**values)
