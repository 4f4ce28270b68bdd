"""The leak test, and the log of the network service."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import operation
from app.model import DEFAULT_EXIT
from app.protocol.answers import Check, LogLine
from app.protocol.canary import Evidence
from app.protocol.commands import GetLogs, LeakTest

blueprint = Blueprint("diagnosis", __name__)


class LeakTestBody(Struct, frozen=True, forbid_unknown_fields=True):
    exit: Annotated[str, Meta(min_length=1, max_length=255)] = DEFAULT_EXIT


class LeakTestAnswer(Struct, frozen=True):
    ok: bool  # no check failed; some may be unknown
    checks: tuple[Check, ...]
    evidence: tuple[Evidence, ...]  # of the probes that were sent as a device of the LAN
    report: str | None  # the same as text, to keep
    control: bool | None  # whether WireGuard's own packets were seen on the WAN meanwhile; null = there is no tunnel


class LogsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query for log lines; ``after`` is the ``last`` of the previous answer."""

    lines: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class LogsAnswer(Struct, frozen=True):
    lines: tuple[LogLine, ...]
    last: int


@operation(blueprint, "POST", "/api/leak-test", limit="connection", scope="connect", errors=(404,), needs_owner=False)
async def leak_test(body: LeakTestBody | None) -> LeakTestAnswer:
    """Test whether anything could leave in the clear. Changes nothing.

    Probes are sent as a device of the exit, while LAN, tunnels and WAN are watched: ``evidence`` says where each of
    them was seen.
    """
    result = await gateway().submit(LeakTest(body.exit if body else DEFAULT_EXIT))
    return LeakTestAnswer(result.ok, result.checks, result.evidence, result.report, result.control)


@operation(blueprint, "GET", "/api/logs", scope="admin")
async def logs(query: LogsQuery) -> LogsAnswer:
    """Get the last lines of the network service's log, the oldest first, without secrets."""
    result = await gateway().submit(GetLogs(query.lines, query.after))
    return LogsAnswer(result.lines, result.last)
