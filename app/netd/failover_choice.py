"""The choice of a server in place of one that does not answer: what was asked for, fallbacks by rank, or one nearby."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from app.errors import GatewayError
from app.exit_settings import exit_settings
from app.model import Server
from app.netd.intent import Intent
from app.netd.protocols import Verdict
from app.netd.unproven_keys import UnprovenKeys
from app.providers.selection import choose
from app.store import Store
from app.tunnel.failure_history import MAX_HOPS, FailureHistory
from app.tunnel.fallback import fallbacks, in_order
from app.tunnel.states import Target

MAX_A_RANK = 2  # servers tried of one fallback before the next one's turn


class ServerLists(Protocol):
    async def list(self, provider: str) -> tuple[Server, ...]:
        """Raises NotFoundError (``provider``)."""
        ...


class ServerUses(Protocol):
    """What is used of :class:`app.netd.server_judge.ServerJudge`."""

    def of(self, exit_name: str) -> Verdict: ...

    def holder(self, exit_name: str, target: Target) -> str | None: ...


class Replacement(Struct, frozen=True):
    """The server to try next; without a target the same again."""

    target: Target | None
    as_asked: bool = False  # it is what was asked for, no fallback for it
    message: str | None = None  # for people, where the server has left the list


class Replacements:
    """Chooses by the settings of the exit, its goal, and what has failed before."""

    def __init__(
        self,
        *,
        directory: ServerLists,
        intent: Intent,
        store: Store,
        failures: FailureHistory,
        unproven: UnprovenKeys,
        uses: ServerUses,
    ) -> None:
        self._directory = directory
        self._intent = intent
        self._store = store
        self._failures = failures
        self._unproven = unproven
        self._uses = uses

    async def after(self, exit_name: str, failed: Target) -> Replacement:
        """The server to try after ``failed``; without a target the same again."""
        settings = self._store.settings.failover
        goal = self._intent.goal(exit_name)
        first = (goal.first_choice if goal is not None else None) or failed
        servers = await self._directory.list(failed.provider)
        home = servers if first.provider == failed.provider else await self._directory.list(first.provider)
        gone = bool(servers) and all(s.hostname != failed.hostname for s in servers)
        taken = self._uses.holder(exit_name, failed) is not None  # by another exit: the server itself is not at fault
        meant = _asked_for(home, goal.asked) if goal is not None and goal.asked != first.hostname else ()
        verdict = self._uses.of(exit_name)
        asked = [s for s in meant if verdict(s) is None]
        lost = self._lost(exit_name, first, home)
        back = Replacement(first if first != failed and verdict(lost) is None else None)
        if not settings.enabled and not ((gone or taken) and asked):
            return _gone(failed, None) if gone else back
        if not taken:
            self._failures.record_failure(exit_name, failed)
        ranks = exit_settings(self._store.settings, exit_name).fallbacks
        if self._failures.exhausted(exit_name, max(MAX_HOPS, MAX_A_RANK * len(ranks) + 1)) and not gone:
            self._failures.back_off(exit_name)  # the uplink is the likelier cause: wait at the first choice
            return back
        target, as_asked = await self._chosen(exit_name, failed, lost, home, asked, gone=gone)
        if target is None:
            return _gone(failed, None) if gone and back.target is None else back
        return _gone(failed, target, as_asked=as_asked) if gone else Replacement(target, as_asked)

    async def foretold(self, exit_name: str) -> Target | None:
        """The server that would be tried first if the exit's present one died now; nothing is changed or noted.

        Where several are as good, it is one of them.
        """
        goal = self._intent.goal(exit_name)
        if goal is None or not self._store.settings.failover.enabled:
            return None
        first, failed = goal.first_choice or goal.target, goal.target
        home = await self._directory.list(first.provider)
        verdict = self._uses.of(exit_name)
        meant = _asked_for(home, goal.asked) if goal.asked != first.hostname else ()
        asked = [s for s in meant if verdict(s) is None]
        lost = self._lost(exit_name, first, home)
        target, _ = await self._chosen(exit_name, failed, lost, home, asked, gone=False)
        return target or (first if first != failed and verdict(lost) is None else None)

    async def _chosen(
        self,
        exit_name: str,
        failed: Target,
        lost: Server,
        home: Sequence[Server],
        asked: Sequence[Server],
        *,
        gone: bool,
    ) -> tuple[Target | None, bool]:
        """The server in place of ``failed``, near ``lost``, if there is one, and whether it is one of ``asked``."""
        ranks, verdict = exit_settings(self._store.settings, exit_name).fallbacks, self._uses.of(exit_name)

        def unfit(server: Server) -> bool:
            return self._unproven.rests(Target(server.provider, server.hostname)) or verdict(server) is not None

        def in_penalty(server: Server) -> bool:
            target = Target(server.provider, server.hostname)
            return target == failed or self._failures.in_penalty(target) or unfit(server)

        settings = self._store.settings.failover
        near = [] if ranks else fallbacks(home, lost, settings, in_penalty)
        if gone and not near and not ranks:  # one that failed a while ago is better than one that does not exist
            near = fallbacks(home, lost, settings, unfit)
        chosen = next(iter(in_order(near, asked, failed.hostname, in_penalty)), None)
        if chosen is None:
            return next(iter(await self.ranked(exit_name, failed)), None), False
        return Target(lost.provider, chosen.hostname), any(s.hostname == chosen.hostname for s in asked)

    async def ranked(self, exit_name: str, failed: Target) -> list[Target]:
        """The servers of the exit's own fallbacks that may be tried now, in the order of those."""
        settings = self._store.settings
        own = exit_settings(settings, exit_name)
        ranks: list[tuple[str, Sequence[Server]]] = []
        for fallback in own.fallbacks:
            provider = fallback.provider or own.provider or settings.provider
            try:
                ranks.append((provider, _asked_for(await self._directory.list(provider), fallback.target)))
            except GatewayError:  # there is no such provider any more
                continue
        # After the lists, with no wait before one of these is made the goal: another exit may have taken a server.
        verdict = self._uses.of(exit_name)
        found: list[Target] = []
        for provider, meant in ranks:
            targets = [Target(provider, s.hostname) for s in meant if not s.missing and verdict(s) is None]
            tried = sum(t == failed or self._failures.in_penalty(t) for t in targets)
            rested = [t for t in targets if t != failed and not self._failures.in_penalty(t)]
            rested = [t for t in rested if not self._unproven.rests(t)]
            found += rested[: max(0, MAX_A_RANK - tried)]
        return found

    def _lost(self, exit_name: str, first: Target, home: Sequence[Server]) -> Server:
        """The server that was chosen first, as ``home`` lists it, or else in the place where it was known to be."""
        listed = next((s for s in home if s.hostname == first.hostname), None)
        if listed is not None:
            return listed
        place = self._intent.place(exit_name)
        if place is None:
            return Server(first.hostname, first.provider)  # nothing is near it
        return Server(first.hostname, first.provider, country=place.country, city=place.city)


def _asked_for(servers: Sequence[Server], selector: str) -> Sequence[Server]:
    """The servers that ``selector`` means, best first."""
    try:
        return choose(servers, selector)
    except GatewayError:
        return ()


def _gone(failed: Target, target: Target | None, *, as_asked: bool = False) -> Replacement:
    gone = f"{failed.provider} no longer lists the server {failed.hostname}"
    if target is None:
        return Replacement(None, message=f"{gone}, and no other one fits what was asked for: choose another server")
    return Replacement(target, as_asked, f"{gone}; {target.hostname} takes its place")
