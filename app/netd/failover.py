"""Advice for an exit whose server does not answer: the provider's verdict on the account, or another server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from app.errors import GatewayError
from app.model import FailoverSettings, Server
from app.netd.intent import Intent
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
# Seconds a provider's word is taken for without asking again. That all is well may change with the next server that
# dies; that something is wrong holds until it is mended, which signing in or a tunnel that comes up tells.
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


class Providers(Protocol):
    def get(self, name: str) -> Provider:
        """Raises NotFoundError (``provider``)."""
        ...


class ServerLists(Protocol):
    async def list(self, provider: str) -> tuple[Server, ...]:
        """Raises NotFoundError (``provider``)."""
        ...


class Failover:
    def __init__(
        self,
        *,
        providers: Providers,
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

    async def advice(self, exit_name: str, failed: Target) -> Advice:
        """Never raises a GatewayError: without advice the machine goes on trying."""
        try:
            provider = self._providers.get(failed.provider)
            verdict = await self._verdict(provider)
            if verdict in _PROBLEMS:
                reason, text = _PROBLEMS[verdict]
                message = text.format(provider.title)
                if self._published.get(exit_name) is not reason:  # not again at every attempt
                    self._published[exit_name] = reason
                    self._publish(SecurityAlert(reason.value, message, exit=exit_name))
                    self._publish(AccountChanged(provider.name, reason.value))
                return Advice(reason=reason, message=message)
            if verdict is Verdict.KEY_CHANGED:
                return Advice()  # the server is not at fault: the next attempt has the key
            target = await self._next(exit_name, failed)
            if target is None or not self._intent.fall_back(exit_name, failed, target):
                return Advice()
        except GatewayError as error:
            log.warning("exit %s: no fallback: %s", exit_name, error.message)
            return Advice()
        goal = self._intent.goal(exit_name)
        first = goal.first_choice if goal is not None else None
        log.warning("exit %s: going on with %s in place of %s", exit_name, target, first or target)
        return Advice(target=target)

    async def _next(self, exit_name: str, failed: Target) -> Target | None:
        """Where to go from ``failed``; None = stay with it."""
        settings = self._store.settings.failover
        goal = self._intent.goal(exit_name)
        first = (goal.first_choice if goal is not None else None) or failed
        back = first if first != failed else None
        if not settings.enabled:
            return back
        self._failures.record_failure(exit_name, failed)
        if self._failures.exhausted(exit_name):
            self._failures.back_off(exit_name)  # it is rather our way to all of them: wait with the first
            return back
        options = await self._options(failed.provider, first, settings)
        return options[0] if options else back

    async def _options(self, provider: str, first: Target, settings: FailoverSettings) -> list[Target]:
        servers = await self._directory.list(provider)
        lost = next((s for s in servers if s.hostname == first.hostname), None) or _unknown_server(first)

        def in_penalty(server: Server) -> bool:
            return self._failures.in_penalty(Target(provider, server.hostname))

        return [Target(provider, s.hostname) for s in fallbacks(servers, lost, settings, in_penalty)]

    async def _verdict(self, provider: Provider) -> Verdict:
        if not isinstance(provider, AccountProvider) or not provider.capabilities.sign_in:
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
        """The account has changed: what was said of it no longer counts."""
        self._verdicts.pop(provider, None)

    # --- when one works ----------------------------------------------------------------------------------------------

    def on_transition(self, move: ExitTransition) -> None:
        """After every move of an exit."""
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
        self._intent.reached(move.exit, target)


def _unknown_server(target: Target) -> Server:
    """A server that has left the list: no place is near it."""
    return Server(target.hostname, target.provider)
