"""Failover: advice for an exit whose server does not answer, either an account problem or another server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from app.errors import GatewayError
from app.model import FailoverSettings, Server
from app.netd.intent import Intent
from app.netd.protocols import ProviderLookup
from app.netd.transition import ExitTransition
from app.protocol.events import AccountChanged, EventSink, SecurityAlert
from app.providers.base import AccountProvider, Provider, Verdict
from app.store import Store
from app.tunnel.clock import boottime
from app.tunnel.context import Advice
from app.tunnel.failure_history import FailureHistory
from app.tunnel.fallback import fallbacks
from app.tunnel.states import Connected, Disconnected, Reason, Target

log = logging.getLogger(__name__)

DIAGNOSIS_TIMEOUT = 8.0  # seconds; then the server is taken to be at fault
# Seconds for which a provider's verdict is cached. HEALTHY says little about the next failing server. A problem holds
# until it is fixed, which a sign-in or a connected tunnel shows.
HEALTHY_TTL = 60.0
PROBLEM_TTL = 300.0

_PROBLEMS = {
    Verdict.ACCOUNT_EXPIRED: (
        Reason.ACCOUNT_EXPIRED,
        "the account has expired: add time at {}, or sign in with another",
    ),
    Verdict.KEY_REVOKED: (Reason.KEY_REVOKED, "{} no longer knows this gateway's key: sign in again"),
    Verdict.SIGNED_OUT: (Reason.SIGNED_OUT, "{} refuses the account: sign in again"),
}


class ServerLists(Protocol):
    async def list(self, provider: str) -> tuple[Server, ...]:
        """Raises NotFoundError (``provider``)."""
        ...


class Failover:
    """The advisor of the exits; it also clears old problems when a tunnel connects."""

    def __init__(
        self,
        *,
        providers: ProviderLookup,
        directory: ServerLists,
        intent: Intent,
        store: Store,
        failures: FailureHistory,
        publish: EventSink,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._providers = providers
        self._directory = directory
        self._intent = intent
        self._store = store
        self._failures = failures
        self._publish = publish
        self._clock = clock
        self._verdicts: dict[str, tuple[float, Verdict]] = {}
        self._published: dict[str, Reason] = {}  # of an exit, since it last worked

    # --- when a server fails -----------------------------------------------------------------------------------------

    async def advise(self, exit_name: str, failed: Target) -> Advice:
        """Advice after ``failed`` did not answer. Raises no GatewayError: with empty advice the machine retries."""
        try:
            provider = self._providers.get(failed.provider)
            verdict = await self._verdict(provider)
            if verdict in _PROBLEMS:
                reason, text = _PROBLEMS[verdict]
                message = text.format(provider.title)
                if self._published.get(exit_name) is not reason:  # published once, not at every attempt
                    self._published[exit_name] = reason
                    self._publish(SecurityAlert(reason.value, message, exit=exit_name))
                    self._publish(AccountChanged(provider.name, reason.value))
                return Advice(reason=reason, message=message)
            if verdict is Verdict.KEY_CHANGED:
                return Advice()  # the server is not at fault; the next attempt uses the new key
            target = await self._next_target(exit_name, failed)
            if target is None or not self._intent.fall_back(exit_name, failed, target):
                return Advice()
        except GatewayError as error:
            log.warning("exit %s: no fallback: %s", exit_name, error.message)
            return Advice()
        goal = self._intent.goal(exit_name)
        first = goal.first_choice if goal is not None else None
        log.warning("exit %s: falling back to %s in place of %s", exit_name, target, first or target)
        return Advice(target=target)

    async def _next_target(self, exit_name: str, failed: Target) -> Target | None:
        """The server to try after ``failed``; None = the same again."""
        settings = self._store.settings.failover
        goal = self._intent.goal(exit_name)
        first = (goal.first_choice if goal is not None else None) or failed
        back = first if first != failed else None
        if not settings.enabled:
            return back
        self._failures.record_failure(exit_name, failed)
        if self._failures.exhausted(exit_name):
            self._failures.back_off(exit_name)  # the uplink is the likelier cause: wait at the first choice
            return back
        candidates = await self._candidates(failed.provider, first, settings)
        return candidates[0] if candidates else back

    async def _candidates(self, provider: str, first: Target, settings: FailoverSettings) -> list[Target]:
        servers = await self._directory.list(provider)
        lost = next((s for s in servers if s.hostname == first.hostname), None) or _unknown_server(first)

        def in_penalty(server: Server) -> bool:
            return self._failures.in_penalty(Target(provider, server.hostname))

        return [Target(provider, s.hostname) for s in fallbacks(servers, lost, settings, in_penalty)]

    async def _verdict(self, provider: Provider) -> Verdict:
        if not isinstance(provider, AccountProvider) or not provider.capabilities.has_account:
            return Verdict.UNKNOWN
        known = self._verdicts.get(provider.name)
        if known is not None and self._clock() - known[0] < (
            HEALTHY_TTL if known[1] is Verdict.HEALTHY else PROBLEM_TTL
        ):
            return known[1]
        try:
            async with asyncio.timeout(DIAGNOSIS_TIMEOUT):
                verdict = await provider.diagnose()
        except TimeoutError:
            verdict = Verdict.UNKNOWN
        if verdict not in {Verdict.UNKNOWN, Verdict.KEY_CHANGED}:
            self._verdicts[provider.name] = (self._clock(), verdict)
        return verdict

    def forget_verdict(self, provider: str) -> None:
        """Drop the cached verdict: the account has changed."""
        self._verdicts.pop(provider, None)

    # --- when a server works -----------------------------------------------------------------------------------------

    def on_transition(self, move: ExitTransition) -> None:
        """Call after every transition of an exit."""
        old, new = move.old, move.new
        if isinstance(new, Disconnected):
            self._published.pop(move.exit, None)
        if not isinstance(new, Connected) or (isinstance(old, Connected) and old.tunnel == new.tunnel):
            return
        target = new.tunnel.target
        self._failures.record_success(move.exit, target)
        self._published.pop(move.exit, None)
        known = self._verdicts.get(target.provider)
        if known is not None and known[1] is not Verdict.HEALTHY:
            self.forget_verdict(target.provider)
        self._intent.mark_reached(move.exit, target)


def _unknown_server(target: Target) -> Server:
    """A stand-in for a server that is no longer in the list; without a location, nothing is near it."""
    return Server(target.hostname, target.provider)
