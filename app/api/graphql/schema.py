"""The schema, made once, and the execution of a query."""

from __future__ import annotations

import re
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import MaxTokensLimiter
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from app.api.graphql.failures import UNCLEAR, GatewayErrors, unclear
from app.api.graphql.limits import MAX_DIGITS, MAX_TOKENS, QueryLimits
from app.api.graphql.mutation import Mutation
from app.api.graphql.query import Query
from app.api.graphql.subscription import Subscription
from app.api.graphql.types import LONG, Long


class GatewaySchema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing: strawberry's log quotes messages, which may hold a key. See :mod:`app.api.graphql.failures`."""


SCHEMA = GatewaySchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[lambda: MaxTokensLimiter(MAX_TOKENS), QueryLimits, GatewayErrors],
    config=StrawberryConfig(scalar_map={Long: LONG}),
)


BY_HTTP = (OperationType.QUERY, OperationType.MUTATION)


async def execute(query: str, variables: dict[str, Any] | None, operation_name: str | None) -> ExecutionResult:
    """Carry out ``query``. Raises nothing: errors are in the result."""
    if re.search(rf"[0-9]{{{MAX_DIGITS + 1}}}", query):  # Python itself refuses to read 4300 and more
        error = GraphQLError(f"a number has at most {MAX_DIGITS} digits", extensions={"code": "query_too_large"})
        return ExecutionResult(data=None, errors=[error])
    try:
        return await SCHEMA.execute(
            query, variable_values=variables, operation_name=operation_name, allowed_operation_types=BY_HTTP
        )
    except UNCLEAR as error:
        return ExecutionResult(data=None, errors=[unclear(error)])
