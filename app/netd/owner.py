"""The owner's password as netd checks it: before keys leave, the state is replaced, or a device gets out in the clear.

The web process has checked the password too, but netd does not trust it. As long as no password is set at all, netd
refuses these commands, whoever sends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import aiofiles.os

from app.auth import owner as files
from app.auth.owner import Owner
from app.auth.passwords import Passwords, check_new
from app.auth.store import DamagedError
from app.errors import (
    ConflictError,
    ForbiddenError,
    TooManyRequestsError,
    UnavailableError,
    missing_password,
)
from app.protocol.answers import Done
from app.protocol.commands import HandlerEntry, SetOwner

FREE = 10  # wrong passwords without a wait
MAX_DELAY = 60.0  # seconds; the web process has its own limits for each client, these are for a web process taken over

_load = aiofiles.os.wrap(files.load)
_store = aiofiles.os.wrap(files.store)


class OwnerCheck:
    """The check of the owner's password, and the handler of SetOwner.

    The file is read at each check: the command line may have changed it.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._passwords = Passwords()
        self._failures = 0
        self._last = 0.0

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (SetOwner.handled_by(self._set),)

    async def check(self, password: str | None) -> None:
        """Check the owner's password.

        Raises ForbiddenError (``set_password_first``: there is no owner; ``wrong_password``), InvalidFieldError (there
        is none), TooManyRequestsError (``locked_out``, ``busy``), UnavailableError (the file cannot be read).
        """
        owner = await self._owner()
        if owner is None:
            raise ForbiddenError("set an admin password first", code="set_password_first")
        if password is None:  # no attempt: clients find out by this that it is needed
            raise missing_password()
        await self._match(owner, password)

    async def _set(self, command: SetOwner) -> Done:
        """Raises ConflictError (``password_set``) and what :meth:`check` raises; then nothing has changed."""
        owner = await self._owner()
        if owner is not None:
            if command.current is None:
                raise ConflictError(
                    "the gateway has an owner already: sign in, or remove the password with the SD card",
                    code="password_set",
                )
            await self._match(owner, command.current)
        new = None if command.password is None else Owner(await self._passwords.hash(check_new(command.password)))
        try:
            await _store(self._directory, new)
        except OSError:
            raise UnavailableError("the password could not be stored; nothing was changed", code="storage") from None
        return Done()

    async def _owner(self) -> Owner | None:
        try:
            return await _load(self._directory)
        except DamagedError:
            raise UnavailableError("netd cannot read the owner's password; reset it with the SD card") from None

    async def _match(self, owner: Owner, password: str) -> None:
        wait = self._last + min(2.0 ** min(self._failures - FREE, 32), MAX_DELAY) - self._clock()
        if self._failures >= FREE and wait > 0:
            raise TooManyRequestsError("too many wrong passwords; wait", code="locked_out", retry_after=wait)
        self._failures += 1  # every attempt is one until it has succeeded: many at once gain nothing
        self._last = self._clock()
        if not await self._passwords.matches(owner.hash, password):
            raise ForbiddenError("the password is wrong", field="password", code="wrong_password")
        self._failures = 0
