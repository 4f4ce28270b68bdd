"""The limits of a query: tokens, depth, aliases, mutations and cost, all checked before the query runs.

strawberry's own alias limiter walks a fragment again at each spread, so that a query of a few hundred bytes keeps it
busy for minutes. Here every fragment is visited once.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)
from msgspec import Struct
from quart import has_websocket_context
from strawberry.extensions import AddValidationRules

from app.api import limits as rates
from app.errors import TooManyRequestsError

MAX_TOKENS = 1000
MAX_DEPTH = 15  # the introspection query of common tools is 13 deep
MAX_ALIASES = 15
MAX_MUTATIONS = 5  # in one request: as many connections a second as the other endpoints allow
MAX_COST = 20_000  # fields in the answer, about
MAX_DIGITS = 1000  # of a number, or in a row within a text

ASKING = 10  # cost of a top-level field: each one is a request to the network service
MAX_FIRST = 1000  # rows that a page may have
PAGES = {"servers": 100, "history": 100}  # rows of the top-level fields with ``first``, by default
ROWS = {
    "points": 500,
    "devices": 50,
    "leases": 50,
    "exits": 16,
    "exitSettings": 16,
    "groups": 8,
    "exceptions": 4,
    "schedule": 4,
    "drops": 20,
}  # the assumed length of other lists


class Weight(Struct, frozen=True):
    depth: int = 0
    aliases: int = 0
    cost: int = 0
    fields: int = 0  # at the top


class _Limits(ValidationRule):
    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        try:
            _pace()
            check(context.document)
        except GraphQLError as error:
            context.report_error(error)


def _pace() -> None:
    """Count an operation on a WebSocket as a request; a subscription counts once, when it begins."""
    if has_websocket_context():
        try:
            rates.count("general")
        except TooManyRequestsError as error:
            raise GraphQLError(error.message, extensions={"code": error.code, "status": error.status}) from None


class QueryLimits(AddValidationRules):
    def __init__(self) -> None:
        super().__init__([_Limits])

    def on_validate(self) -> Iterator[None]:
        """Require ``operationName`` for several operations (GraphQL, section 6.1); strawberry would take the first."""
        asked = self.execution_context
        definitions = asked.graphql_document.definitions if asked.graphql_document else ()
        operations = sum(isinstance(definition, OperationDefinitionNode) for definition in definitions)
        # Its public ``operation_name`` is that of the first where none was given.
        if operations > 1 and not asked._provided_operation_name:  # pyright: ignore[reportPrivateUsage]
            message = "operationName: the query has several operations; name one of them"
            asked.pre_execution_errors = [GraphQLError(message, extensions={"code": "invalid_query"})]
        yield


def check(document: DocumentNode) -> None:
    """Check the limits of a parsed query. Raises GraphQLError."""
    scale = _Scale(document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            weight = scale.weigh(definition.selection_set, top=True)
            _refuse("depth", weight.depth, MAX_DEPTH)
            _refuse("aliases", weight.aliases, MAX_ALIASES)
            _refuse("cost", weight.cost + ASKING * weight.fields, MAX_COST)
            if definition.operation is OperationType.MUTATION:
                _refuse("mutations", weight.fields, MAX_MUTATIONS)


def _refuse(what: str, found: int, most: int) -> None:
    if found > most:
        raise GraphQLError(f"too much: {what} {found}, at most {most}", extensions={"code": "query_too_large"})


class _Scale:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._known: dict[tuple[str, bool], Weight] = {}

    def weigh(self, selections: SelectionSetNode | None, top: bool = False) -> Weight:
        parts = [self._weigh(node, top) for node in (selections.selections if selections else ())]
        return Weight(
            depth=max((p.depth for p in parts), default=0),
            aliases=sum(p.aliases for p in parts),
            cost=sum(p.cost for p in parts),
            fields=sum(p.fields for p in parts),
        )

    def _weigh(self, node: SelectionNode, top: bool) -> Weight:
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value, top)
        inside: SelectionSetNode | None = getattr(node, "selection_set", None)
        if not isinstance(node, FieldNode):  # an inline fragment
            return self.weigh(inside, top)
        inner = self.weigh(inside)
        return Weight(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            cost=1 + (_page(node) if top and node.name.value in PAGES else ROWS.get(node.name.value, 1)) * inner.cost,
            fields=1,
        )

    def _fragment(self, name: str, top: bool) -> Weight:
        key = name, top
        if key not in self._known:
            self._known[key] = Weight()  # one that holds itself is refused by the validation
            fragment = self._fragments.get(name)
            self._known[key] = self.weigh(fragment.selection_set, top) if fragment else Weight()
        return self._known[key]


def _page(node: FieldNode) -> int:
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, IntValueNode) and len(value.value) <= MAX_DIGITS:
                return min(max(1, int(value.value)), MAX_FIRST)
            return MAX_FIRST
    return PAGES[node.name.value]
