"""Failover: advice for an exit whose server does not answer, either an account problem or another server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec.structs import replace

from app.errors import GatewayError
from app.netd.failover_choice import Replacement, Replacements, ServerLists, ServerUses
from app.netd.intent import Intent
from app.netd.protocols import ProviderLookup
from app.netd.transition import ExitTransition
from app.netd.unproven_keys import UnprovenKeys
from app.protocol.events import AccountChanged, EventSink, SecurityAlert
from app.providers.base import AccountProvider, Provider, Verdict
from app.store import Store
from app.tunnel.clock import boottime
from app.tunnel.context import Advice
from app.tunnel.failure_history import FailureHistory
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
        unproven: UnprovenKeys,
        uses: ServerUses,
        publish: EventSink,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._providers = providers
        self._replacements = Replacements(
            directory=directory, intent=intent, store=store, failures=failures, unproven=unproven, uses=uses
        )
        self._intent = intent
        self._store = store
        self._failures = failures
        self._unproven = unproven
        self._publish = publish
        self._clock = clock
        self._verdicts: dict[str, tuple[float, Verdict]] = {}
        self._published: dict[str, Reason] = {}  # of an exit, since it last worked

    # --- when a server fails -----------------------------------------------------------------------------------------

    async def advise(self, exit_name: str, failed: Target) -> Advice:
        """Advice after ``failed`` did not answer. Raises no GatewayError: with empty advice the machine retries."""
        advice = await self._advice(exit_name, failed)
        if advice.target is not None or not self._unproven.rests(failed):
            return advice
        if (elsewhere := await self._elsewhere(exit_name, failed)) is not None:
            return elsewhere
        if advice.reason is not None:
            return replace(advice, message=f"{advice.message}; then connect again", rest=True)
        return self._stop(exit_name, failed)

    def _stop(self, exit_name: str, failed: Target) -> Advice:
        """The advice to wait for the user: the key of ``failed`` has had no handshake, and all its attempts."""
        verdict = self._verdicts.get(failed.provider)
        problem = self._unproven.problem(failed, vouched=verdict is not None and verdict[1] is Verdict.HEALTHY)
        assert problem is not None
        if self._alert(exit_name, Reason.KEY_UNPROVEN, problem.message):
            self._publish(AccountChanged(failed.provider, Reason.KEY_UNPROVEN.value))
        return Advice(reason=Reason.KEY_UNPROVEN, message=problem.message, rest=True)

    async def _advice(self, exit_name: str, failed: Target) -> Advice:
        try:
            provider = self._providers.get(failed.provider)
            verdict = await self._verdict(provider)
            if verdict in _PROBLEMS:
                reason, text = _PROBLEMS[verdict]
                message = text.format(provider.title)
                if self._alert(exit_name, reason, message):
                    self._publish(AccountChanged(provider.name, reason.value))
                return await self._elsewhere(exit_name, failed) or Advice(reason=reason, message=message)
            if verdict is Verdict.KEY_CHANGED:
                return Advice()  # the server is not at fault; the next attempt uses the new key
            choice = await self._replacements.after(exit_name, failed)
            if choice.target is not None and self._unproven.rests(choice.target):
                return Advice()
            if choice.message is not None:
                self._alert(exit_name, Reason.SERVER_UNAVAILABLE, choice.message)
            if choice.target is None and choice.message is not None:
                return Advice(reason=Reason.SERVER_UNAVAILABLE, message=choice.message)
            return self._fall_back(exit_name, failed, choice)
        except GatewayError as error:
            log.warning("exit %s: no fallback: %s", exit_name, error.message)
            return Advice()

    def _fall_back(self, exit_name: str, failed: Target, choice: Replacement) -> Advice:
        target = choice.target
        if target is None or not self._intent.fall_back(exit_name, failed, target, as_asked=choice.as_asked):
            return Advice()
        goal = self._intent.goal(exit_name)
        first = goal.first_choice if goal is not None else None
        log.warning("exit %s: falling back to %s in place of %s", exit_name, target, first or target)
        return Advice(target=target)

    async def foretold(self, exit_name: str) -> Target | None:
        """The server that would be tried first if the exit's present one died now; None = no other."""
        try:
            return await self._replacements.foretold(exit_name)
        except GatewayError:
            return None

    async def _elsewhere(self, exit_name: str, failed: Target) -> Advice | None:
        """The advice to use a fallback of another provider, where the account at this one is at fault."""
        if not self._store.settings.failover.enabled:
            return None
        others = [t for t in await self._replacements.ranked(exit_name, failed) if t.provider != failed.provider]
        target = next((t for t in others if not self._has_problem(t.provider)), None)
        if target is None:
            return None
        try:
            advice = self._fall_back(exit_name, failed, Replacement(target))
        except GatewayError as error:
            log.warning("exit %s: no fallback: %s", exit_name, error.message)
            return None
        return advice if advice.target is not None else None

    def _has_problem(self, provider: str) -> bool:
        known = self._verdicts.get(provider)
        return known is not None and known[1] in _PROBLEMS and self._clock() - known[0] < PROBLEM_TTL

    def _alert(self, exit_name: str, reason: Reason, message: str) -> bool:
        """Publish an alert once, and not at every attempt; whether it was published."""
        if self._published.get(exit_name) is reason:
            return False
        self._published[exit_name] = reason
        self._publish(SecurityAlert(reason.value, message, exit=exit_name))
        return True

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

    def account_changed(self, provider: str) -> None:
        """Judge the account anew: someone has signed in or out."""
        self.forget_verdict(provider)
        self._unproven.forget(provider)

    # --- when a server works -----------------------------------------------------------------------------------------

    def on_transition(self, move: ExitTransition) -> None:
        """Call after every transition of an exit."""
        old, new = move.old, move.new
        if isinstance(new, Disconnected):
            self._published.pop(move.exit, None)
        if not isinstance(new, Connected) or (isinstance(old, Connected) and old.tunnel == new.tunnel):
            return
        target = new.tunnel.target
        self._unproven.on_handshake(new.tunnel)
        self._failures.record_success(move.exit, target)
        self._published.pop(move.exit, None)
        known = self._verdicts.get(target.provider)
        if known is not None and known[1] is not Verdict.HEALTHY:
            self.forget_verdict(target.provider)
        self._intent.mark_reached(move.exit, target)
