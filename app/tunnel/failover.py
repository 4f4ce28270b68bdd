"""Where to go when a server has died (pure, but for the clock and the dice it is given).

Fallbacks are tried from near to far: the same city, the same country, then wherever the user allows. A server that
failed is passed over for a while, longer each time, so that the gateway does not run in circles; when several in a row
have failed it is rather the way to all of them, so it goes back to the first and waits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from msgspec import Struct

from app.model import FailoverSettings, Server
from app.providers.selection import best_first, plain
from app.providers.server_names import UNKNOWN
from app.tunnel.states import Target

PENALTY = 300.0  # seconds a server is passed over after its first failure
LONGEST_PENALTY = 3600.0
JITTER = 0.2  # of a penalty, both ways
MAX_HOPS = 3  # servers tried in a row without one that works


class _Record(Struct):
    failures: int
    until: float


class Memory:
    """What failed of late. ``clock`` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._records: dict[Target, _Record] = {}
        self._hops: dict[str, int] = {}

    def failed(self, exit_name: str, target: Target) -> None:
        record = self._records.setdefault(target, _Record(0, 0.0))
        record.failures += 1
        length = min(LONGEST_PENALTY, PENALTY * 2 ** min(record.failures - 1, 8))
        record.until = self._clock() + length * (1 + self._rng.uniform(-JITTER, JITTER))
        self._hops[exit_name] = self._hops.get(exit_name, 0) + 1
        self._forget_old()

    def works(self, exit_name: str, target: Target) -> None:
        """A tunnel to it came up; its failures are forgotten once it has lasted longer than their penalty."""
        self._hops.pop(exit_name, None)
        record = self._records.get(target)
        if record is not None and self._clock() >= record.until:
            del self._records[target]

    def barred(self, target: Target) -> bool:
        record = self._records.get(target)
        return record is not None and self._clock() < record.until

    def exhausted(self, exit_name: str) -> bool:
        """Whether so many failed in a row that another server would hardly help."""
        return self._hops.get(exit_name, 0) > MAX_HOPS

    def rest(self, exit_name: str) -> None:
        """Begin to count anew, after having waited with the first choice."""
        self._hops.pop(exit_name, None)

    def _forget_old(self) -> None:
        now = self._clock()
        self._records = {t: r for t, r in self._records.items() if now < r.until + LONGEST_PENALTY}


def fallbacks(
    servers: Iterable[Server],
    lost: Server,
    settings: FailoverSettings,
    barred: Callable[[Server], bool],
    rng: random.Random | None = None,
) -> list[Server]:
    """What may take the place of ``lost``, the nearest and best first. A place that is not known is nowhere near."""
    if not settings.enabled:
        return []
    rng = rng or random.SystemRandom()
    usable = [s for s in servers if not s.missing and s.hostname != lost.hostname and not barred(s)]
    allowed = {plain(c) for c in settings.countries}
    country = None if lost.country == UNKNOWN else plain(lost.country)
    city = None if lost.city == UNKNOWN else plain(lost.city)
    tiers: tuple[list[Server], list[Server], list[Server]] = ([], [], [])
    for server in usable:
        same_country = country is not None and plain(server.country) == country
        if same_country and city is not None and plain(server.city) == city:
            tiers[0].append(server)
        elif same_country:
            tiers[1].append(server)
        elif not allowed or plain(server.country) in allowed or server.country_code in allowed:
            tiers[2].append(server)
    reach = {"city": 1, "country": 2, "anywhere": 3}[settings.scope]
    return [server for tier in tiers[:reach] for server in best_first(tier, rng)]
