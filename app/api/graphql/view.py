"""GraphQL over a WebSocket: graphql-transport-ws, as strawberry speaks it on Quart."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from strawberry.quart.views import GraphQLView
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from app.api.graphql.schema import SCHEMA


class _Subscribe(Struct):
    query: str
    variables: dict[str, Any] | UnsetType | None = UNSET
    operationName: str | UnsetType | None = UNSET  # noqa: N815 - the protocol's name


class _Message(Struct):
    type: str
    id: str | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType | None = UNSET


class _View(GraphQLView[Any, Any]):
    def decode_json(self, data: str | bytes) -> object:
        """One message: strict JSON (no NaN, no lone surrogate), with each part of the right type.

        Raises JSONDecodeError, on which the connection is closed. strawberry itself checks no types: a wrong one would
        surface as an internal error.
        """
        try:
            message = msgspec.json.decode(data)
            if msgspec.convert(message, _Message).type == "subscribe":
                msgspec.convert(message["payload"], _Subscribe)
        except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError) as error:
            raise json.JSONDecodeError(type(error).__name__, "", 0) from None
        return message


VIEW: GraphQLView[Any, Any] = _View(
    SCHEMA,
    graphql_ide=None,
    subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
    connection_init_wait_timeout=timedelta(seconds=10),
    max_subscriptions_per_connection=10,
)


async def serve(websocket: Any) -> None:
    """Speak on ``websocket`` until one side closes it."""
    await VIEW.run(websocket)
