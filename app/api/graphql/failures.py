"""Errors as the other endpoints have them: ``code``, ``field``, ``status``; of a bug only its place is logged."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from graphql import GraphQLError
from strawberry.extensions import MaskErrors

from app.errors import GatewayError

log = logging.getLogger(__name__)


class GatewayErrors(MaskErrors):
    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        cause = error.original_error
        while isinstance(cause, GraphQLError) and cause.original_error is not None:
            cause = cause.original_error
        if cause is None or isinstance(cause, GraphQLError):  # the query is at fault; nothing of ours is in it
            return _with(error, error.message, {"code": "invalid_query"} | (error.extensions or {}))
        if isinstance(cause, GatewayError):
            extensions: dict[str, object] = {"code": cause.code, "status": cause.status}
            return _with(error, cause.message, extensions | ({"field": cause.field} if cause.field else {}))
        # The message may quote what was sent, such as a key.
        place = "".join(traceback.format_tb(cause.__traceback__))
        log.error("unexpected %s in GraphQL\n%s", type(cause).__qualname__, place)
        return _with(error, "internal error", {"code": "internal", "status": 500})


def _with(error: GraphQLError, message: str, extensions: Mapping[str, object]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=dict(extensions),
    )
