"""The selection of servers: a selector is resolved to servers, best first (pure).

A selector is a server, a city, a country, ``fastest`` or ``random``; the last two may name a place, as in
``fastest:Sweden``. A server's own name takes precedence over a place of the same name.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from app.errors import ConflictError, NotFoundError
from app.model import Server, ServerFilter

FASTEST, RANDOM = "fastest", "random"

UNKNOWN_LOAD = 50.0  # percent: a server of unknown load is treated as average


def normalized(text: str) -> str:
    """``text`` for comparisons, without case and accents: ``Malmö`` becomes ``malmo``."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in folded if not unicodedata.combining(c)).strip()


def matching(servers: Iterable[Server], wanted: ServerFilter) -> list[Server]:
    """The servers that match the filter ``wanted``, in their order."""
    country, city = normalized(wanted.country or ""), normalized(wanted.city or "")
    words = normalized(wanted.search or "").split()
    features = frozenset(normalized(f) for f in wanted.features)

    def fits(server: Server) -> bool:
        if country and country not in {normalized(server.country), server.country_code}:
            return False
        if city and city != normalized(server.city):
            return False
        if wanted.owned is not None and server.owned is not wanted.owned:
            return False
        if wanted.favourite is not None and server.favourite is not wanted.favourite:
            return False
        if features and not features <= {normalized(f) for f in server.features}:
            return False
        if wanted.max_latency is not None and (server.latency is None or server.latency > wanted.max_latency):
            return False
        if words:
            text = normalized(f"{server.hostname} {server.city} {server.country} {server.hosted_by or ''}")
            return all(word in text for word in words)
        return True

    return [server for server in servers if fits(server)]


def quality(server: Server) -> tuple[float, float]:
    """The sort key of a server, smaller is better: measured latency first, then the provider's load figure."""
    return (
        server.latency if server.latency is not None else float("inf"),
        server.load if server.load is not None else UNKNOWN_LOAD,
    )


def best_first(servers: Iterable[Server], rng: random.Random) -> list[Server]:
    """``servers`` by :func:`quality`; equals in random order, so that gateways spread over them."""
    shuffled = list(servers)
    rng.shuffle(shuffled)
    return sorted(shuffled, key=quality)


def choose(servers: Sequence[Server], selector: str, rng: random.Random | None = None) -> list[Server]:
    """The servers that match ``selector``, best first; a single one where it is a server's own name.

    Raises NotFoundError (``server``: no match), ConflictError (every match is incomplete).
    """
    rng = rng or random.SystemRandom()
    text = selector.strip()
    named = _named(servers, text)
    if named is not None:
        return [named]
    kind, colon, place = text.partition(":")
    kind = normalized(kind)
    if kind in {FASTEST, RANDOM} and (place.strip() or not colon):
        found = _in_place(servers, place) if place else list(servers)
    else:
        kind, found = FASTEST, _in_place(servers, text)
    if not found:
        raise NotFoundError("there is no such server, city or country", field="server")
    usable = [s for s in found if not s.missing]
    if not usable:
        lacking = ", ".join(sorted({m for s in found for m in s.missing}))
        raise ConflictError(
            f"no server there can be connected yet: missing {lacking}", field="server", code="incomplete"
        )
    if kind == RANDOM:
        rng.shuffle(usable)
        return usable
    return best_first(usable, rng)


def asks_for_fastest(selector: str) -> bool:
    """Whether ``selector`` asks for a measurement: ``fastest``, or ``fastest:PLACE``."""
    return normalized(selector.partition(":")[0]) == FASTEST


def _named(servers: Sequence[Server], text: str) -> Server | None:
    name = unicodedata.normalize("NFC", text)
    exact = next((s for s in servers if s.hostname == name), None)
    return exact or next((s for s in servers if s.hostname.casefold() == name.casefold()), None)


def _in_place(servers: Sequence[Server], place: str) -> list[Server]:
    wanted = normalized(place)
    if not wanted:
        return []
    tests: tuple[Callable[[Server], bool], ...] = (
        lambda s: normalized(s.country) == wanted,
        lambda s: s.country_code == wanted,
        lambda s: normalized(s.city) == wanted,
        lambda s: normalized(f"{s.city}, {s.country}") == wanted or normalized(s.location) == wanted,
    )
    for test in tests:
        if found := [s for s in servers if test(s)]:
            return found
    return []
