"""The admin password: argon2id, checked in a thread, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.auth.password_rules import MAX_LENGTH, check_new, normalized
from app.errors import TooManyRequestsError
from app.model import Secret

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["MAX_LENGTH", "Passwords", "check_new", "hashed", "return_memory"]

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

MAX_PENDING = 8
M_MMAP_THRESHOLD = -3  # malloc.h


@functools.cache
def return_memory() -> None:
    """Have glibc give the memory of each hash back at once (mallopt(3)).

    By default glibc keeps the second hash's 19 MiB for good: its threshold grows with what was freed.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1024 * 1024)


@functools.cache
def _hasher() -> PasswordHasher:
    """OWASP's second choice for argon2id: 19 MiB, two passes, one lane. A Pi 3 takes some tenths of a second."""
    from argon2 import PasswordHasher  # noqa: PLC0415 - a megabyte that a gateway without sign-ins does without

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str) -> Secret:
    return Secret(_hasher().hash(password))


def _matches(stored: Secret, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    try:
        return _hasher().verify(stored.reveal(), normalized(password))
    except (VerificationError, InvalidHashError):
        return False


class Passwords:
    """The one worker that hashes passwords: hashing takes 19 MiB and a core, so one request is served and few wait.

    It is a thread and not a semaphore: a client that hangs up cancels its request, but not the work begun for it.
    """

    def __init__(self) -> None:
        return_memory()
        self._one = ThreadPoolExecutor(1, "password")
        self._pending = 0

    async def hash(self, password: str) -> Secret:
        return await self._run(hashed, password)

    async def matches(self, stored: Secret, password: str) -> bool:
        """Whether ``password`` is the ``stored`` one. Raises TooManyRequestsError where too many wait already."""
        return await self._run(_matches, stored, password)

    async def _run(self, work: Callable[Parameters, Answer], *args: Parameters.args, **kw: Parameters.kwargs) -> Answer:
        if self._pending >= MAX_PENDING:
            raise TooManyRequestsError("too many are signing in at this moment", code="busy", retry_after=2)
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._one, lambda: work(*args, **kw))
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()  # retrieved, so that asyncio does not log it where the client is gone
