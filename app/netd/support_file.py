"""The support file: state, settings, servers, history, plan and log of netd, and the machine's, all redacted.

Sections are independent: one that cannot be read says so in its place.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from app import serialization
from app.errors import TooManyRequestsError
from app.netd.log_buffer import MAX_LINES, LogBuffer
from app.netd.support_text import json_text, plan_text, round_floats, timestamp, transition_text, without_names
from app.network.plan import NetworkPlan
from app.protocol.commands import HandlerEntry, MakeSupportFile
from app.protocol.statistics import HistoryPage, HistoryQuery
from app.protocol.status import Snapshot
from app.providers.registry import Registry
from app.store import Store
from app.store.sensitive_values import stored_names, stored_secrets
from app.support import machine, programs
from app.support.redact import Redactor
from app.support.report import Section, assemble, unreadable

MAX_TRANSITIONS = 200  # the latest, in the section History
SECTION_TIMEOUT = 20.0  # seconds for one section; the socket's client gives up after a minute


class PlannedNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def plan(self) -> NetworkPlan | None: ...

    async def verify(self) -> tuple[str, ...]: ...


class Queries(Protocol):
    """What is used of :class:`app.netd.statistics.Statistics`."""

    async def history(self, query: HistoryQuery) -> HistoryPage: ...


class SupportFile:
    """The handler of MakeSupportFile."""

    def __init__(
        self,
        *,
        state_dir: Path,
        store: Store,
        registry: Registry,
        network: PlannedNetwork,
        statistics: Queries,
        snapshot: Callable[[], Awaitable[Snapshot]],
        logs: LogBuffer,
    ) -> None:
        self._state_dir = state_dir
        self._store = store
        self._registry = registry
        self._network = network
        self._statistics = statistics
        self._snapshot = snapshot
        self._logs = logs
        self._busy = False

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (MakeSupportFile.handled_by(self.make),)

    async def make(self, _command: MakeSupportFile) -> str:
        """The text of the file. Raises TooManyRequestsError (``busy``) during another: it takes a board seconds."""
        if self._busy:
            raise TooManyRequestsError("a support file is being made; try again in a moment", code="busy")
        self._busy = True
        try:
            own = asyncio.gather(*(_section(*source) for source in self._sources()))
            of_machine, of_programs = await asyncio.gather(asyncio.to_thread(machine.sections), programs.sections())
            sections = [*of_machine[:2], *await own, *of_machine[2:], *of_programs]
            return await asyncio.to_thread(self._assemble, sections)
        finally:
            self._busy = False

    def _assemble(self, sections: list[Section]) -> str:
        return assemble(sections, Redactor(stored_secrets(self._state_dir), stored_names(self._state_dir)))

    # --- sections ----------------------------------------------------------------------------------------------------

    def _sources(self) -> tuple[Source, ...]:
        return (
            ("State", self._state, 60_000, "first"),
            ("Settings", self._settings, 60_000, "first"),
            ("Servers", self._servers, 60_000, "first"),
            ("History (UTC)", self._history, 60_000, "first"),
            ("Plan", self._plan, 120_000, "first"),
            ("Log of the network service (UTC)", self._log, 150_000, "last"),
        )

    async def _state(self) -> str:
        snapshot: dict[str, Any] = serialization.to_builtins(await self._snapshot())
        for number, lease in enumerate(snapshot["leases"], start=1):
            lease["hostname"] = f"lease-{number}" if lease["hostname"] else None
        snapshot = without_names(snapshot)
        return json_text(snapshot)

    async def _settings(self) -> str:
        settings: dict[str, Any] = serialization.to_builtins(self._store.settings)
        return json_text(without_names(settings))

    async def _servers(self) -> str:
        """The custom and imported servers, one a line, and the number of servers of each provider."""
        lines = [
            json.dumps(round_floats(serialization.to_builtins(s)), ensure_ascii=False) for s in self._store.servers()
        ]
        for provider in self._registry.all:
            known = await provider.servers()
            lines.append(f"{provider.name}: {len(known)} servers")
        return "\n".join(lines)

    async def _history(self) -> str:
        page = await self._statistics.history(HistoryQuery(limit=MAX_TRANSITIONS))
        return "\n".join(transition_text(t) for t in page.records) or "nothing yet"

    async def _plan(self) -> str:
        plan = self._network.plan
        if plan is None:
            return "no plan has been applied yet"
        drift = await self._network.verify()
        return f"{plan_text(plan)}\n\nThe kernel differs from it in: {'; '.join(drift) or 'nothing'}"

    async def _log(self) -> str:
        lines = self._logs.read(MAX_LINES).lines
        return "\n".join(f"{timestamp(line.time)} {line.level} {line.logger}: {line.message}" for line in lines)


Keep = Literal["first", "last"]
Source = tuple[str, Callable[[], Awaitable[str]], int, Keep]  # title, text, limit in characters, which end to keep


async def _section(title: str, source: Callable[[], Awaitable[str]], limit: int, keep: Keep) -> Section:
    try:
        async with asyncio.timeout(SECTION_TIMEOUT):
            text = await source()
    except Exception as error:
        text = unreadable(error)
    return Section(title, text, limit=limit, keep=keep)
