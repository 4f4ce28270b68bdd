"""What a query may ask for: tokens, depth, aliases, mutations and cost; all judged before anything is carried out.

strawberry's own limiter of aliases walks a fragment again at each spread, so that a query of a few hundred bytes keeps
it busy for minutes. Here every fragment is looked at once.
"""

from __future__ import annotations

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
from strawberry.extensions import AddValidationRules

MAX_TOKENS = 1000
MAX_DEPTH = 15  # the introspection query of common tools is 13 deep
MAX_ALIASES = 15
MAX_MUTATIONS = 5  # in one request: as many connections a second as the other endpoints allow
MAX_COST = 20_000  # fields in the answer, about

ASKING = 10  # cost of a field at the top: each asks the network service
MAX_FIRST = 1000  # rows that a page may have
# How many rows a list is taken to have, where the query does not say it by ``first``.
ROWS = {"servers": 100, "history": 100, "points": 500, "devices": 50, "leases": 50, "exits": 4, "drops": 20}


class Weight(Struct, frozen=True):
    depth: int = 0
    aliases: int = 0
    cost: int = 0
    fields: int = 0  # at the top


class _Limits(ValidationRule):
    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        try:
            check(context.document)
        except GraphQLError as error:
            context.report_error(error)


class QueryLimits(AddValidationRules):
    def __init__(self) -> None:
        super().__init__([_Limits])


def check(document: DocumentNode) -> None:
    """Raises GraphQLError."""
    scale = _Scale(document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            weight = scale.weigh(definition.selection_set)
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
        self._known: dict[str, Weight] = {}

    def weigh(self, selections: SelectionSetNode | None) -> Weight:
        parts = [self._weigh(node) for node in (selections.selections if selections else ())]
        return Weight(
            depth=max((p.depth for p in parts), default=0),
            aliases=sum(p.aliases for p in parts),
            cost=sum(p.cost for p in parts),
            fields=sum(p.fields for p in parts),
        )

    def _weigh(self, node: SelectionNode) -> Weight:
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        inner = self.weigh(getattr(node, "selection_set", None))
        if not isinstance(node, FieldNode):  # an inline fragment
            return inner
        return Weight(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            cost=1 + _rows(node) * inner.cost,
            fields=1,
        )

    def _fragment(self, name: str) -> Weight:
        if name not in self._known:
            self._known[name] = Weight()  # one that holds itself is refused by the validation
            fragment = self._fragments.get(name)
            self._known[name] = self.weigh(fragment.selection_set) if fragment else Weight()
        return self._known[name]


def _rows(node: FieldNode) -> int:
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            return min(max(1, int(value.value)), MAX_FIRST) if isinstance(value, IntValueNode) else MAX_FIRST
    return ROWS.get(node.name.value, 1)
