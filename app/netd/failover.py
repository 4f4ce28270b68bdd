"""Failover: advice for an exit whose server does not answer, either an account problem or another server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from app.errors import GatewayError
from app.model import Server
from app.netd.intent import Intent
from app.netd.protocols import ProviderLookup
from app.netd.transition import ExitTransition
from app.netd.unproven_keys import UnprovenKeys
from app.protocol.events import AccountChanged, EventSink, SecurityAlert
from app.providers.base import AccountProvider, Provider, Verdict
from app.providers.selection import choose
from app.store import Store
from app.tunnel.clock import boottime
from app.tunnel.context import Advice
from app.tunnel.failure_history import FailureHistory
from app.tunnel.fallback import fallbacks, in_order
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
        unproven: UnprovenKeys,
        publish: EventSink,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._providers = providers
        self._directory = directory
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
                return Advice(reason=reason, message=message)
            if verdict is Verdict.KEY_CHANGED:
                return Advice()  # the server is not at fault; the next attempt uses the new key
            choice = await self._next_choice(exit_name, failed)
            if choice.target is not None and self._unproven.rests(choice.target):
                return Advice()
            if choice.message is not None:
                self._alert(exit_name, Reason.SERVER_UNAVAILABLE, choice.message)
            target = choice.target
            if target is None and choice.message is not None:
                return Advice(reason=Reason.SERVER_UNAVAILABLE, message=choice.message)
            if target is None or not self._intent.fall_back(exit_name, failed, target, as_asked=choice.as_asked):
                return Advice()
        except GatewayError as error:
            log.warning("exit %s: no fallback: %s", exit_name, error.message)
            return Advice()
        goal = self._intent.goal(exit_name)
        first = goal.first_choice if goal is not None else None
        log.warning("exit %s: falling back to %s in place of %s", exit_name, target, first or target)
        return Advice(target=target)

    async def _next_choice(self, exit_name: str, failed: Target) -> _Choice:
        """The server to try after ``failed``; without a target the same again."""
        settings = self._store.settings.failover
        goal = self._intent.goal(exit_name)
        first = (goal.first_choice if goal is not None else None) or failed
        back = _Choice(first if first != failed else None)
        servers = await self._directory.list(failed.provider)
        gone = bool(servers) and all(s.hostname != failed.hostname for s in servers)
        asked = _asked_for(servers, goal.asked) if goal is not None and goal.asked != first.hostname else ()
        if not settings.enabled and not (gone and asked):
            return _gone(failed, None) if gone else back
        self._failures.record_failure(exit_name, failed)
        if self._failures.exhausted(exit_name) and not gone:
            self._failures.back_off(exit_name)  # the uplink is the likelier cause: wait at the first choice
            return back
        lost = next((s for s in servers if s.hostname == first.hostname), None) or self._last_known(exit_name, first)

        def in_penalty(server: Server) -> bool:
            target = Target(failed.provider, server.hostname)
            return self._failures.in_penalty(target) or self._unproven.rests(target)

        near = fallbacks(servers, lost, settings, in_penalty)
        if gone and not near:  # one that failed a while ago is better than one that does not exist
            near = fallbacks(servers, lost, settings, lambda s: self._unproven.rests(Target(s.provider, s.hostname)))
        chosen = next(iter(in_order(near, asked, failed.hostname, in_penalty)), None)
        if chosen is None:
            return _gone(failed, None) if gone and back.target is None else back
        as_asked = any(s.hostname == chosen.hostname for s in asked)
        if gone:
            return _gone(failed, Target(failed.provider, chosen.hostname), as_asked=as_asked)
        return _Choice(Target(failed.provider, chosen.hostname), as_asked)

    def _last_known(self, exit_name: str, first: Target) -> Server:
        """A stand-in for a server that is no longer in the list, in the place where it was."""
        place = self._intent.place(exit_name)
        if place is None:
            return Server(first.hostname, first.provider)  # nothing is near it
        return Server(first.hostname, first.provider, country=place.country, city=place.city)

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


class _Choice(Struct, frozen=True):
    target: Target | None
    as_asked: bool = False  # it is what was asked for, no fallback for it
    message: str | None = None  # for people, where the server has left the list


def _asked_for(servers: Sequence[Server], selector: str) -> Sequence[Server]:
    """The servers that ``selector`` means, best first."""
    try:
        return choose(servers, selector)
    except GatewayError:
        return ()


def _gone(failed: Target, target: Target | None, *, as_asked: bool = False) -> _Choice:
    gone = f"{failed.provider} no longer lists the server {failed.hostname}"
    if target is None:
        return _Choice(None, message=f"{gone}, and no other one fits what was asked for: choose another server")
    return _Choice(target, as_asked, f"{gone}; {target.hostname} takes its place")
