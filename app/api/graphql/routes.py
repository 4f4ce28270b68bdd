"""GraphQL over ``POST /graphql``, and over WebSocket (graphql-transport-ws) with subscriptions."""

from __future__ import annotations

import asyncio
import importlib
from types import ModuleType
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Blueprint, websocket

from app.api.errors import ErrorBody
from app.api.events import UpgradeRequiredError, good_until, hub, next_before
from app.api.hub import Closing
from app.api.operation import operation
from app.api.websocket_limits import websocket_slot

blueprint = Blueprint("graphql", __name__)

_loaded: dict[str, ModuleType] = {}

MAX_QUERY = 16 * 1024  # characters


class GraphqlBody(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The request of "GraphQL over HTTP"; ``extensions`` are ignored."""

    query: Annotated[str, Meta(min_length=1, max_length=MAX_QUERY)]
    operation_name: Annotated[str, Meta(max_length=255)] | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return "GraphqlBody(***)"  # a configuration to be imported may be in it


class GraphqlAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer; ``data`` is absent where the query could not run at all, ``errors`` where there are none.

    The ``extensions`` of an error hold ``code`` and ``field`` as an error of the other endpoints does.
    """

    data: dict[str, Any] | UnsetType | None = UNSET
    errors: tuple[dict[str, Any], ...] | UnsetType = UNSET


async def _module(name: str) -> Any:
    """A module that needs strawberry. Its first import takes a Pi seconds, so it runs in a thread."""
    if name not in _loaded:  # sys.modules also has modules that are still being imported
        _loaded[name] = await asyncio.to_thread(importlib.import_module, f"app.api.graphql.{name}")
    return _loaded[name]


@operation(blueprint, "POST", "/graphql", scope="read", needs_owner=False)
async def graphql(body: GraphqlBody) -> GraphqlAnswer:
    """Carry out a GraphQL query or mutation.

    A mutation needs the scope of its REST endpoint. Queries are limited in tokens, depth, aliases
    and cost. The answer's status is 200 also where it holds errors.
    """
    schema = await _module("schema")
    result = await schema.execute(body.query, body.variables, body.operation_name)
    errors = tuple(dict(error.formatted) for error in result.errors or ())
    refused = bool(errors) and result.data is None
    return GraphqlAnswer(UNSET if refused else result.data, errors or UNSET)


@operation(blueprint, "GET", "/graphql", status=426)
async def graphql_by_get() -> ErrorBody:
    """Speak GraphQL by WebSocket (graphql-transport-ws), subscriptions included.

    Plain HTTP gets 426: a query in a URL would be kept in logs and histories.
    """
    raise UpgradeRequiredError("this path takes POST, or a WebSocket")


@blueprint.websocket("/graphql")
async def subscriptions() -> None:
    with websocket_slot():
        await _serve()


async def _serve() -> None:
    view = await _module("view")
    serving = asyncio.create_task(view.serve(websocket))
    leaving = asyncio.create_task(_sent_away())
    try:
        await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        serving.cancel()
        leaving.cancel()
        await asyncio.wait({serving, leaving})
    if not leaving.cancelled():
        closing = leaving.result()
        await websocket.close(closing.code, closing.reason)


async def _sent_away() -> Closing:
    """The reason to close: the service stops, or the client's credentials expire."""
    followed = hub()
    listener = await followed.join()
    until = good_until()
    try:
        while not isinstance(item := await next_before(until, listener), Closing):
            pass
        return item
    finally:
        followed.leave(listener)
