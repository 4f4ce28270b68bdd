"""netd's part of the support file: plan and live state, settings, servers, history, its own log; then all struck out.

Each section is made on its own: what cannot be read is said where it would stand, and the rest is made all the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from app import serialization
from app.errors import TooManyRequestsError
from app.model import DEFAULT_EXIT
from app.netd.logbook import BOOK, KEPT
from app.network.plan import NetworkPlan
from app.protocol.commands import MakeSupportFile
from app.protocol.statistics import HistoryQuery, Transition
from app.store.sensitive_values import stored_names, stored_secrets
from app.support import machine, programs
from app.support.redact import Redactor
from app.support.report import Section, assemble, unreadable

if TYPE_CHECKING:
    from app.netd.core import Core

TRANSITIONS = 200
PATIENCE = 20.0  # seconds for one section; whoever asked over the socket gives up after a minute


class Support:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._busy = False

    async def make(self, _command: MakeSupportFile) -> str:
        """Raises TooManyRequestsError (``busy``) while one is being made: it keeps a small board busy for seconds."""
        if self._busy:
            raise TooManyRequestsError("a support file is being made; try again in a moment", code="busy")
        self._busy = True
        try:
            ours = asyncio.gather(*(_section(*source, self._core) for source in SOURCES))
            theirs, around = await asyncio.gather(asyncio.to_thread(machine.sections), programs.sections())
            sections = [*theirs[:2], *await ours, *theirs[2:], *around]
            return await asyncio.to_thread(self._assembled, sections)
        finally:
            self._busy = False

    def _assembled(self, sections: list[Section]) -> str:
        state = self._core.state_dir
        return assemble(sections, Redactor(stored_secrets(state), stored_names(state)))


# --- sections --------------------------------------------------------------------------------------------------------


async def _section(title: str, source: Callable[[Core], Awaitable[str]], limit: int, core: Core) -> Section:
    try:
        async with asyncio.timeout(PATIENCE):
            text = await source(core)
    except Exception as error:
        text = unreadable(error)
    return Section(title, text, limit=limit, keep="last" if source is _log else "first")


async def _state(core: Core) -> str:
    snapshot: dict[str, Any] = serialization.to_builtins(await core.snapshot())
    for number, lease in enumerate(snapshot["leases"], start=1):
        lease["hostname"] = f"lease-{number}" if lease["hostname"] else None
    snapshot["devices"] = _nameless(snapshot["devices"])
    return _json(snapshot)


async def _plan(core: Core) -> str:
    plan = core.reconciler.plan
    if plan is None:
        return "no plan has been applied yet"
    drift = await core.reconciler.verify()
    return f"{plan_text(plan)}\n\nThe kernel differs from it in: {'; '.join(drift) or 'nothing'}"


def plan_text(plan: NetworkPlan) -> str:
    """The plan for people: one rule, route, interface or setting a line, then the ruleset (pure)."""
    kinds: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("rule", plan.rules),
        ("route", plan.routes),
        ("interface", plan.links),
    )
    lines = [f"{kind}: {_fields(value)}" for kind, values in kinds for value in values]
    lines += [f"address: {interface} {address}" for interface, address in plan.lan_addresses]
    lines += [f"sysctl: {name} = {value}" for name, value in plan.sysctls]
    return "\n".join([*lines, "", plan.ruleset])


def _fields(value: msgspec.Struct) -> str:
    found: dict[str, Any] = serialization.to_builtins(value)
    return " ".join(f"{name}={inner}" for name, inner in found.items() if inner not in (None, ""))


async def _settings(core: Core) -> str:
    settings: dict[str, Any] = serialization.to_builtins(core.settings)
    settings["devices"] = _nameless(settings["devices"])
    return _json(settings)


def _nameless(devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A name of one letter could not be found among the words of a text: so it does not get there."""
    return [{**device, "name": "named" if device["name"] else None} for device in devices]


async def _servers(core: Core) -> str:
    """The custom and imported ones, one a line; who is signed in with a provider is not told, only whether."""
    lines = [json.dumps(_rounded(serialization.to_builtins(s)), ensure_ascii=False) for s in core.store.servers()]
    for provider in core.registry.all:
        known = await provider.servers()
        lines.append(f"{provider.name}: {len(known)} servers")
    return "\n".join(lines)


async def _history(core: Core) -> str:
    page = await core.records.statistics.history(HistoryQuery(limit=TRANSITIONS))
    return "\n".join(_transition(t) for t in page.records) or "nothing yet"


def _transition(t: Transition) -> str:
    after = f" after {t.duration:.0f} s" if t.duration is not None else ""
    moved = f", up {t.up}, down {t.down} bytes" if t.up is not None else ""
    name = f" [{t.exit}]" if t.exit != DEFAULT_EXIT else ""
    said = f": {t.message}" if t.message else ""
    return f"{_moment(t.time)}{name} {t.before} -> {t.after} ({t.cause}) {t.provider}/{t.server}{after}{moved}{said}"


async def _log(core: Core) -> str:  # noqa: ARG001
    lines = BOOK.read(KEPT).lines
    return "\n".join(f"{_moment(line.time)} {line.level} {line.logger}: {line.message}" for line in lines)


def _moment(unix: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix))


def _json(value: Any) -> str:
    return json.dumps(_rounded(value), indent=1, ensure_ascii=False)


def _rounded(value: Any) -> Any:
    """Times without the many digits that make a number look like one of an account."""
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


SOURCES: tuple[tuple[str, Callable[[Core], Awaitable[str]], int], ...] = (
    ("State", _state, 60_000),
    ("Settings", _settings, 60_000),
    ("Servers", _servers, 60_000),
    ("History (UTC)", _history, 60_000),
    ("Plan", _plan, 120_000),
    ("Log of the network service (UTC)", _log, 150_000),
)
