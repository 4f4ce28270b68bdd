"""The pauses that devices take: exceptions by which they leave in the clear for a while, as the admin has allowed."""

from __future__ import annotations

from collections.abc import Iterable

from app.model import DirectPolicy, PolicyException
from app.netd.policies.exceptions import Exceptions
from app.netd.policies.open_exceptions import OpenExceptions

BY = "the device itself"
REASON = "a pause that the device has taken"


class Pauses:
    """The pauses among the exceptions. The leave has been checked already (:mod:`app.netd.own_device`)."""

    def __init__(self, opened: OpenExceptions, exceptions: Exceptions) -> None:
        self._open = opened
        self._exceptions = exceptions

    def paused(self) -> Iterable[str]:
        """The devices that have taken a pause."""
        return [e.mac for e in self._open.present() if e.by == BY and e.mac is not None]

    def others(self) -> tuple[PolicyException, ...]:
        """The exceptions that are no pauses: those of the admin."""
        return tuple(e for e in self._open.present() if e.by != BY)

    def until(self, mac: str) -> float | None:
        """The end of the pause that the device has taken; None where it has none."""
        found = self._of(mac)
        return found.until if found is not None else None

    async def begin(self, mac: str, seconds: float) -> None:
        """Raises KernelError, ConflictError (``too_many``)."""
        await self._exceptions.begin(DirectPolicy(), seconds, mac=mac, reason=REASON, by=BY)

    async def end(self, mac: str) -> None:
        """Raises KernelError; then it goes on."""
        if (found := self._of(mac)) is not None:
            await self._exceptions.end_some([found], "ended")

    def _of(self, mac: str) -> PolicyException | None:
        found = self._open.of(mac, None)
        return found if found is not None and found.by == BY else None
