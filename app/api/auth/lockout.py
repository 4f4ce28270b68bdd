"""Guessing takes longer and longer: for each client, and for all of them together.

Every attempt counts as a failure until it has proved to be none, so that many at once gain nothing. What is refused
because it came too early does not count: a client that waits is let try, always. The delay for everybody together
spares the addresses that somebody has signed in from, or a neighbour who fails on purpose could keep the owner out.
Time is the monotonic clock's: a Pi's clock that is set must neither lock anybody out nor let anybody in.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from app.errors import TooManyRequestsError

FREE, MAX_DELAY = 5, 900.0  # attempts of a client without a delay; seconds
FREE_FOR_ALL, MAX_DELAY_FOR_ALL = 30, 60.0
FORGIVEN = 24 * 3600.0  # seconds after its last failure a client starts afresh
FORGIVEN_FOR_ALL = 3600.0
MAX_CLIENTS = 4096


class _Failures:
    __slots__ = ("count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0

    def add(self, now: float) -> None:
        self.count += 1
        self.last = now

    def wait(self, now: float, free: int, longest: float) -> float:
        """Seconds until the next attempt; not above 0 when it may be made."""
        if self.count < free:
            return 0.0
        return self.last + min(2.0 ** min(self.count - free + 1, 32), longest) - now


class Lockout:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, _Failures] = OrderedDict()
        self._all = _Failures()

    def attempt(self, client: str, *, known: bool) -> int:
        """Begin an attempt of ``client``; returns its failures with this one. Raises TooManyRequestsError: too early.

        ``known``: somebody has signed in from this address.
        """
        now = self._clock()
        if now - self._all.last > FORGIVEN_FOR_ALL:
            self._all = _Failures()
        failures = self._clients.get(client)
        if failures is None or now - failures.last > FORGIVEN:
            failures = _Failures()
        wait = failures.wait(now, FREE, MAX_DELAY)
        if not known:
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
        """The attempt was none to count against anybody."""
        self._clients.pop(client, None)
        self._all.count = max(0, self._all.count - 1)

    def abandoned(self, client: str) -> None:
        """The attempt was not judged at all."""
        failures = self._clients.get(client)
        if failures is not None:
            failures.count = max(0, failures.count - 1)
        self._all.count = max(0, self._all.count - 1)
