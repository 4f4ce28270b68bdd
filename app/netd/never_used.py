"""Exits leave the server that they use, when they are set never to use it."""

from __future__ import annotations

from typing import Protocol

from app.errors import GatewayError
from app.exit_settings import exit_settings
from app.model import Never, Server
from app.netd.intent import Goal, Intent
from app.netd.protocols import ExitServers, ProviderLookup
from app.providers.never import Exclusion
from app.store import Store
from app.tunnel.states import Target


class MovableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    async def disconnect(self, exit_name: str) -> None: ...

    def resume(self, exit_name: str, cause: str | None = None) -> None: ...

    def connect_nowait(self, exit_name: str, target: Target, *, asked: str, cause: str) -> None: ...


class NeverUsed:
    """Takes exits from servers that they may use no longer, and to others."""

    def __init__(
        self,
        *,
        store: Store,
        exits: MovableExits,
        providers: ProviderLookup,
        servers: ExitServers,
        intent: Intent,
    ) -> None:
        self._store = store
        self._exits = exits
        self._providers = providers
        self._servers = servers
        self._intent = intent

    async def leave(self, name: str, before: Never) -> tuple[str, ...]:
        """Take the exit from a server that it never uses from now on; its devices are blocked until it has another.

        ``before`` is what it never used until now. Returns what people should know.
        """
        never = exit_settings(self._store.settings, name).never
        goal = self._intent.goal(name)
        if never == before or goal is None:
            return ()
        reason = Exclusion(never).reason(await self._server(goal.target))
        if reason is None:
            return await self._stay(name, goal, never)
        await self._exits.disconnect(name)  # so that no restart comes back to it
        try:
            choice = await self._another(name, goal)
        except GatewayError as error:
            return (f"the exit is disconnected, because {reason}: {error.message}",)
        self._exits.connect_nowait(name, choice[0], asked=choice[1], cause="never_used")
        return (f"the exit connects to {choice[0].hostname}, because {reason}",)

    async def _stay(self, name: str, goal: Goal, never: Never) -> tuple[str, ...]:
        """Stay at the server of ``goal``, also where a switch from it to one that is never used is under way."""
        for target in self._intent.targets(name) - {goal.target}:
            reason = Exclusion(never).reason(await self._server(target))
            if reason is not None:
                self._exits.resume(name, "never_used")
                return (f"the exit does not switch to {target.hostname}, because {reason}",)
        return ()

    async def _another(self, name: str, goal: Goal) -> tuple[Target, str]:
        """Another server for what was asked for, else for what the exit is set to. Raises GatewayError."""
        try:
            choice = await self._servers.resolve(name, goal.asked, (goal.first_choice or goal.target).provider)
        except GatewayError as error:
            if exit_settings(self._store.settings, name).target is None:
                raise error from None
            choice = await self._servers.own(name)
        return choice.targets[0], choice.asked

    async def _server(self, target: Target) -> Server:
        try:
            servers = await self._providers.get(target.provider).servers()
        except GatewayError:
            servers = ()
        unknown = Server(target.hostname, target.provider)
        return next((s for s in servers if s.hostname == target.hostname), unknown)
