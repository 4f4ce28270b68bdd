"""The connection history: every transition of every exit, with its cause; in pages, or all of it as CSV."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import Download, operation
from app.protocol.commands import ExportHistory, GetHistory
from app.protocol.statistics import HistoryQuery, Transition

blueprint = Blueprint("history", __name__)

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Ident = Annotated[int, Meta(ge=1, le=2**53)]
Moment = Annotated[float, Meta(ge=0, le=2**53)]  # Unix time


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query for a page, the newest first; ``before`` is the ``next`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Ident | None = None
    exit: Name | None = None
    since: Moment | None = None
    until: Moment | None = None


class ExportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    exit: Name | None = None
    since: Moment | None = None
    until: Moment | None = None


class PageBody(Struct, frozen=True):
    history: tuple[Transition, ...]
    next: int | None  # give it as ``before`` for the next page; null = this is the last page


@operation(blueprint, "GET", "/api/history")
async def history(query: PageQuery) -> PageBody:
    """List the transitions of the exits, the newest first.

    ``duration`` is how many seconds the state that was left lasted; ``up`` and ``down`` are the bytes of the tunnel
    that was left.
    """
    wanted = HistoryQuery(query.limit, query.before, query.exit, query.since, query.until)
    page = await gateway().submit(GetHistory(wanted))
    return PageBody(page.records, page.next)


@operation(blueprint, "GET", "/api/history.csv", produces="text/csv; charset=utf-8; header=present")
async def history_csv(query: ExportQuery) -> Download:
    """Export the whole history as a table for spreadsheets (RFC 4180)."""
    wanted = HistoryQuery(exit=query.exit, since=query.since, until=query.until)
    text = ""
    while True:
        result = await gateway().submit(ExportHistory(wanted))
        text += result.csv
        if result.next is None:
            return Download(text.encode(), "vpn-gateway-history.csv")
        wanted = replace(wanted, before=result.next)
