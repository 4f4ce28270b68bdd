"""What netd does when a server does not answer: ask the provider why, go to another, come back later."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from app.errors import GatewayError
from app.model import Server, Settings
from app.protocol.events import AccountChanged, SecurityAlert
from app.providers.base import AccountProvider, Provider, Verdict
from app.tunnel.clock import boottime
from app.tunnel.failover import Memory, fallbacks
from app.tunnel.ports import Advice
from app.tunnel.states import Connected, Disconnected, Reason, State, Target

if TYPE_CHECKING:
    from app.netd.core import Core

log = logging.getLogger(__name__)

DIAGNOSIS_TIMEOUT = 8.0  # seconds; then the server is taken to be at fault
# Seconds a provider's word is taken for without asking again. That all is well may change with the next server that
# dies; that something is wrong holds until it is mended, which signing in or a tunnel that comes up tells.
WELL_AGE = 60.0
PROBLEM_AGE = 300.0
LOOK = 30.0  # seconds between looks at who may go back
RETURN_AFTER = 600.0  # seconds on a fallback before the first choice is tried again

_PROBLEMS = {
    Verdict.ACCOUNT_EXPIRED: (
        Reason.ACCOUNT_EXPIRED,
        "the account has expired: add time at {}, or sign in with another",
    ),
    Verdict.KEY_REVOKED: (Reason.KEY_REVOKED, "{} no longer knows this gateway's key: sign in again"),
    Verdict.SIGNED_OUT: (Reason.SIGNED_OUT, "{} refuses the account: sign in again"),
}


class Failover:
    def __init__(self, core: Core) -> None:
        self._core = core
        self.memory = Memory(boottime)
        self._verdicts: dict[str, tuple[float, Verdict]] = {}
        self._told: dict[str, Reason] = {}  # what was published of an exit since it last worked

    # --- when a server fails -----------------------------------------------------------------------------------------

    async def advice(self, exit_name: str, failed: Target) -> Advice:
        """Never raises a GatewayError: without advice the machine goes on trying."""
        core = self._core
        try:
            provider = core.registry.get(failed.provider)
            verdict = await self._verdict(provider)
            if verdict in _PROBLEMS:
                reason, text = _PROBLEMS[verdict]
                message = text.format(provider.title)
                if self._told.get(exit_name) is not reason:  # not again at every attempt
                    self._told[exit_name] = reason
                    core.events.publish(SecurityAlert(reason.value, message, exit=exit_name))
                    core.events.publish(AccountChanged(provider.name, reason.value))
                return Advice(reason=reason, message=message)
            if verdict is Verdict.KEY_CHANGED:
                return Advice()  # the server is not at fault: the next attempt has the key
            target = await self._next(exit_name, failed)
            if target is None:
                return Advice()
            self._move(exit_name, target)
            return Advice(target=target)
        except GatewayError as error:
            log.warning("exit %s: no fallback: %s", exit_name, error.message)
            return Advice()

    async def _next(self, exit_name: str, failed: Target) -> Target | None:
        """Where to go from ``failed``; None = stay with it."""
        core = self._core
        first = Target.parse(core.settings.first_choice.get(exit_name, str(failed)))
        back = first if first != failed else None
        if not core.settings.failover.enabled:
            return back
        self.memory.failed(exit_name, failed)
        if self.memory.exhausted(exit_name):
            self.memory.rest(exit_name)  # it is rather our way to all of them: wait with the first
            return back
        servers = await core.servers.of(failed.provider)
        lost = next((s for s in servers if s.hostname == first.hostname), None) or _nowhere(first)

        def barred(server: Server) -> bool:
            return self.memory.barred(Target(failed.provider, server.hostname))

        options = fallbacks(servers, lost, core.settings.failover, barred)
        return Target(failed.provider, options[0].hostname) if options else back

    def _move(self, exit_name: str, target: Target) -> None:
        """Raises UnavailableError (``storage``)."""
        core = self._core

        def first_of(settings: Settings) -> str:
            return settings.first_choice.get(exit_name) or settings.desired.get(exit_name) or str(target)

        def change(settings: Settings) -> Settings:
            choices = {k: v for k, v in settings.first_choice.items() if k != exit_name}
            if first_of(settings) != str(target):
                choices[exit_name] = first_of(settings)
            desired = {**settings.desired, exit_name: str(target)}
            return msgspec.structs.replace(settings, desired=desired, first_choice=choices)

        first = first_of(core.settings)
        core.store.update_settings(change)
        core.records.because(exit_name, "failover")
        log.warning("exit %s: going on with %s in place of %s", exit_name, target, first)

    async def _verdict(self, provider: Provider) -> Verdict:
        if not isinstance(provider, AccountProvider) or not provider.capabilities.sign_in:
            return Verdict.UNKNOWN
        known = self._verdicts.get(provider.name)
        if known is not None and boottime() - known[0] < (WELL_AGE if known[1] is Verdict.WELL else PROBLEM_AGE):
            return known[1]
        try:
            async with asyncio.timeout(DIAGNOSIS_TIMEOUT):
                verdict = await provider.diagnose()
        except TimeoutError:
            verdict = Verdict.UNKNOWN
        if verdict not in {Verdict.UNKNOWN, Verdict.KEY_CHANGED}:
            self._verdicts[provider.name] = (boottime(), verdict)
        return verdict

    def forget_verdict(self, provider: str) -> None:
        """The account has changed: what was said of it no longer counts."""
        self._verdicts.pop(provider, None)

    # --- when one works ----------------------------------------------------------------------------------------------

    def entered(self, exit_name: str, old: State, new: State) -> None:
        """After every move of an exit."""
        if isinstance(new, Disconnected):
            self._told.pop(exit_name, None)
        if not isinstance(new, Connected) or (isinstance(old, Connected) and old.tunnel == new.tunnel):
            return
        self.memory.works(exit_name, new.tunnel.target)
        self._told.pop(exit_name, None)
        known = self._verdicts.get(new.tunnel.target.provider)
        if known is not None and known[1] is not Verdict.WELL:
            self.forget_verdict(new.tunnel.target.provider)
        if self._core.settings.first_choice.get(exit_name) == str(new.tunnel.target):
            self._core.store.update_settings(lambda s: _without_first_choice(s, exit_name))

    async def run(self) -> None:
        """Go back to the first choice when it may work again; make before break, so a failed try costs nothing."""
        while True:
            await asyncio.sleep(LOOK)
            for exit_name, machine in self._core.machines.items():
                state = machine.state
                if isinstance(state, Connected) and boottime() - state.since_boot >= RETURN_AFTER:
                    await self._try_to_return(exit_name, state)

    async def _try_to_return(self, exit_name: str, state: Connected) -> None:
        core = self._core
        first = core.settings.first_choice.get(exit_name)
        if first is None or not core.settings.failover.return_to_first:
            return
        target = Target.parse(first)
        machine = core.machines[exit_name]
        if self.memory.barred(target) or machine.goal != state.tunnel.target:
            return
        core.records.because(exit_name, "return_to_first")
        try:
            await machine.connect(target)
            if machine.goal == target:  # nobody has asked for something else since
                await core.want(exit_name, target)
        except GatewayError as error:
            core.records.because(exit_name, None)
            self.memory.failed(exit_name, target)
            log.info("exit %s: %s is not back yet: %s", exit_name, target, error.message)


def _nowhere(target: Target) -> Server:
    """A server that has left the list: no place is near it."""
    return Server(target.hostname, target.provider)


def _without_first_choice(settings: Settings, exit_name: str) -> Settings:
    kept = {k: v for k, v in settings.first_choice.items() if k != exit_name}
    return msgspec.structs.replace(settings, first_choice=kept)
