"""The schema, made once, and how a query is carried out."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import MaxTokensLimiter
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult

from app.api.graphql.failures import GatewayErrors
from app.api.graphql.limits import MAX_TOKENS, QueryLimits
from app.api.graphql.mutation import Mutation
from app.api.graphql.query import Query
from app.api.graphql.subscription import Subscription
from app.api.graphql.types import LONG, Long


class GatewaySchema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: strawberry would log messages, which may quote a key. See :mod:`app.api.graphql.failures`."""


SCHEMA = GatewaySchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[lambda: MaxTokensLimiter(MAX_TOKENS), QueryLimits, GatewayErrors],
    config=StrawberryConfig(scalar_map={Long: LONG}),
)


async def execute(query: str, variables: dict[str, Any] | None, operation_name: str | None) -> ExecutionResult:
    """Raises nothing: what goes wrong is in the result."""
    return await SCHEMA.execute(query, variable_values=variables, operation_name=operation_name)
