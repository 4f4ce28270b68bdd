"""The lockout against guessing: growing delays for each client, and for all clients together.

Every attempt counts as a failure until it has succeeded, so that many at once gain nothing. An attempt that is refused
as too early does not count: a client that waits may always try. The delay for all clients together spares addresses
from which a sign-in has succeeded, and the first attempts of devices that were there before the failures began;
otherwise a neighbour who fails on purpose could lock the owner out.
The time is the monotonic clock's: setting the wall clock must neither lock a client out nor shorten its delay.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from app.errors import TooManyRequestsError

FREE_IF_OLDER = 10  # attempts of a device that was there before, which the delay for all spares
FREE, MAX_DELAY = 5, 900.0  # attempts of a client without a delay; seconds
FREE_FOR_ALL, MAX_DELAY_FOR_ALL = 30, 60.0
FORGIVEN = 24 * 3600.0  # seconds after its last failure a client starts afresh
FORGIVEN_FOR_ALL = 3600.0
MAX_CLIENTS = 4096


class _Failures:
    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.count = 0
        self.first = 0.0
        self.last = 0.0

    def add(self, now: float) -> None:
        if self.count == 0:
            self.first = now
        self.count += 1
        self.last = now

    def wait(self, now: float, free: int, longest: float) -> float:
        """Seconds until the next attempt; 0 or less = now."""
        if self.count < free:
            return 0.0
        return self.last + min(2.0 ** min(self.count - free + 1, 32), longest) - now


class Lockout:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, _Failures] = OrderedDict()
        self._all = _Failures()

    @property
    def began(self) -> float:
        """The time of the first of the failures that are counted together; now, where there are none."""
        now = self._clock()
        return now if self._all.count == 0 or now - self._all.last > FORGIVEN_FOR_ALL else self._all.first

    def attempt(self, client: str, *, known: bool, older: bool = False) -> int:
        """Begin an attempt of ``client``; returns its failures with this one. Raises TooManyRequestsError: too early.

        ``known``: a sign-in from this address has succeeded; ``older``: the client was there before the failures began.
        """
        now = self._clock()
        if now - self._all.last > FORGIVEN_FOR_ALL:
            self._all = _Failures()
        failures = self._clients.get(client)
        if failures is None or now - failures.last > FORGIVEN:
            failures = _Failures()
        wait = failures.wait(now, FREE, MAX_DELAY)
        if not known and not (older and failures.count < FREE_IF_OLDER):
            wait = max(wait, self._all.wait(now, FREE_FOR_ALL, MAX_DELAY_FOR_ALL))
        if wait > 0:
            raise TooManyRequestsError("too many failed attempts; wait", code="locked_out", retry_after=wait)
        failures.add(now)
        self._all.add(now)
        self._clients[client] = failures
        self._clients.move_to_end(client)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return failures.count

    def succeeded(self, client: str) -> None:
        """Forget the client's failures, and take this attempt out of the common count."""
        self._clients.pop(client, None)
        self._all.count = max(0, self._all.count - 1)

    def abandoned(self, client: str) -> None:
        """Take back the failure of an attempt that was not judged."""
        failures = self._clients.get(client)
        if failures is not None:
            failures.count = max(0, failures.count - 1)
        self._all.count = max(0, self._all.count - 1)
