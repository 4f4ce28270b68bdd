"""The fallbacks for a server that has died (pure for a given random source).

They are ordered by distance: the same city, the same country, then every country that the user allows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from app.model import FailoverSettings, Server
from app.providers.selection import best_first, normalized
from app.providers.server_names import UNKNOWN


def fallbacks(
    servers: Iterable[Server],
    lost: Server,
    settings: FailoverSettings,
    in_penalty: Callable[[Server], bool],
    rng: random.Random | None = None,
) -> list[Server]:
    """The servers that may replace ``lost``, nearest and best first. An unknown location counts as distant."""
    if not settings.enabled:
        return []
    rng = rng or random.SystemRandom()
    usable = [s for s in servers if not s.missing and s.hostname != lost.hostname and not in_penalty(s)]
    allowed = {normalized(c) for c in settings.countries}
    country = None if lost.country == UNKNOWN else normalized(lost.country)
    city = None if lost.city == UNKNOWN else normalized(lost.city)
    tiers: tuple[list[Server], list[Server], list[Server]] = ([], [], [])
    for server in usable:
        same_country = country is not None and normalized(server.country) == country
        if same_country and city is not None and normalized(server.city) == city:
            tiers[0].append(server)
        elif same_country:
            tiers[1].append(server)
        elif not allowed or normalized(server.country) in allowed or server.country_code in allowed:
            tiers[2].append(server)
    reach = {"city": 1, "country": 2, "anywhere": 3}[settings.scope]
    return [server for tier in tiers[:reach] for server in best_first(tier, rng)]


def in_order(
    near: Sequence[Server], asked: Sequence[Server], failed: str, in_penalty: Callable[[Server], bool]
) -> list[Server]:
    """The replacements, best first: near and what was asked for, then what was asked for, then what is merely near."""
    meant = {s.hostname for s in asked}
    both = [s for s in near if s.hostname in meant]
    rest = [s for s in asked if s.hostname != failed and s not in both and not in_penalty(s)]
    return [*both, *rest, *(s for s in near if s.hostname not in meant)]
