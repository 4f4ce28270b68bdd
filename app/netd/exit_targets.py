"""The servers that an exit may use, for what was asked of it or for what it is set to."""

from __future__ import annotations

from typing import Protocol

from app.errors import GatewayError, InvalidFieldError
from app.exit_settings import exit_settings
from app.netd.protocols import Choice, ServerResolver, Verdict
from app.store import Store


class Judge(Protocol):
    """What is used of :class:`app.netd.server_judge.ServerJudge`."""

    def of(self, exit_name: str) -> Verdict: ...


class ExitTargets:
    """Resolves selectors for exits; what an exit never uses, or another one uses with its key, is left out."""

    def __init__(self, store: Store, directory: ServerResolver, judge: Judge) -> None:
        self._store = store
        self._directory = directory
        self._judge = judge

    async def resolve(self, exit_name: str, selector: str, provider: str | None = None) -> Choice:
        """The servers that ``selector`` means for the exit; at least one.

        Raises NotFoundError (``provider``, ``server``), ConflictError (``incomplete``, ``never_used``,
        ``server_in_use``: none of them can be used).
        """
        chosen = provider or self.provider(exit_name)
        return Choice(selector, await self._directory.resolve(chosen, selector, self._judge.of(exit_name)))

    async def own(self, exit_name: str) -> Choice:
        """The servers for the exit's target, else for the first of its fallbacks that has any.

        Raises InvalidFieldError (``server``: no target is set), and as :meth:`resolve` does.
        """
        own = exit_settings(self._store.settings, exit_name)
        if own.target is None:
            raise InvalidFieldError(
                f"server: name one; exit {exit_name} has no target of its own", field="server", code="missing_field"
            )
        try:
            return await self.resolve(exit_name, own.target)
        except GatewayError:
            for fallback in own.fallbacks:
                try:
                    return await self.resolve(exit_name, fallback.target, fallback.provider)
                except GatewayError:
                    continue
            raise

    def provider(self, exit_name: str) -> str:
        """The provider of the exit."""
        settings = self._store.settings
        return exit_settings(settings, exit_name).provider or settings.provider
