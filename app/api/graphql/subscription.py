"""The subscriptions, all fed by the hub's one subscription to netd."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import msgspec
import strawberry

from app.api import status
from app.api.context import snapshot
from app.api.events import hub
from app.api.graphql import types
from app.api.graphql.access import require
from app.api.hub import Closing
from app.errors import GatewayError


async def _messages(after: int | None = None) -> AsyncGenerator[dict[str, Any], None]:
    """The messages of ``/ws``: first the status, then every event in order, for as long as the client has the scope."""
    require("read")
    followed = hub()
    listener = await followed.join(after)
    try:
        while not isinstance(item := await listener.next(), Closing):
            require("read")
            yield msgspec.json.decode(item)
    finally:
        followed.leave(listener)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(
        self, kinds: list[str] | None = None, after: types.Long | None = None
    ) -> AsyncGenerator[types.Event, None]:
        """Every message of ``/ws``, or those of some ``kinds``; ``after`` is the last ``seq`` seen, as there."""
        async with aclosing(_messages(after)) as messages:
            async for message in messages:
                if kinds is None or message["type"] in kinds:
                    yield _event(message)

    @strawberry.subscription
    async def status(self) -> AsyncGenerator[types.Status, None]:
        """The status now, and again at each change of it."""
        async with aclosing(_messages()) as messages:
            async for message in messages:
                if message["type"] == "status_change":
                    try:
                        now = await snapshot()
                    except GatewayError:
                        continue  # netd is away; when it is back, that is a change
                    yield cast("types.Status", status.status_body(now))


def _event(message: dict[str, Any]) -> types.Event:
    return types.Event(type=message["type"], payload=message["payload"], seq=message["seq"], time=message["time"])
