"""GraphQL errors with ``code``, ``field``, ``status`` as at the REST endpoints; a bug's message is not logged."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from app.errors import GatewayError

log = logging.getLogger(__name__)

# strawberry raises these, instead of a result with errors, where a query has no operation to carry out.
UNCLEAR = (CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError)


def unclear(error: BaseException) -> GraphQLError:
    """One of ``UNCLEAR`` as an error of the query."""
    if isinstance(error, InvalidOperationTypeError):
        message = "subscriptions come by WebSocket, at this path"
    elif isinstance(error, CannotGetOperationTypeError):
        message = "operationName: the query has no operation of this name"
    else:
        message = "query: it is empty"
    return GraphQLError(message, extensions={"code": "invalid_query"})


class GatewayErrors(MaskErrors):
    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        cause = error.original_error
        while isinstance(cause, GraphQLError) and cause.original_error is not None:
            cause = cause.original_error
        if cause is None or isinstance(
            cause, GraphQLError
        ):  # the query is at fault; the message holds nothing internal
            return _with(error, error.message, {"code": "invalid_query"} | (error.extensions or {}))
        if isinstance(cause, UNCLEAR):
            return unclear(cause)
        if isinstance(cause, GatewayError):
            extensions: dict[str, object] = {"code": cause.code, "status": cause.status}
            return _with(error, cause.message, extensions | ({"field": cause.field} if cause.field else {}))
        # The message may quote the request's content, such as a key.
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
