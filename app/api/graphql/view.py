"""GraphQL over a WebSocket: graphql-transport-ws, as strawberry speaks it on Quart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from strawberry.quart.views import GraphQLView
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from app.api.graphql.schema import SCHEMA

VIEW: GraphQLView[Any, Any] = GraphQLView(
    SCHEMA,
    graphql_ide=None,
    subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
    connection_init_wait_timeout=timedelta(seconds=10),
    max_subscriptions_per_connection=10,
)


async def serve(websocket: Any) -> None:
    """Speak on ``websocket`` until one side closes it."""
    await VIEW.run(websocket)
