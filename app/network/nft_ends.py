"""Elements that end by themselves: whether those that are there are the expected ones, to their ends (pure).

What has ended in time is no drift; an element that was added, changed, prolonged, shortened or taken away is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from app.network import nft_bytes
from app.network.nft_delta import key_text, value_text
from app.network.nft_kernel import Live
from app.network.nft_layout import Name, SetLayout
from app.network.plan import TimedElement

MARGIN = 2.0  # seconds by which an element may end before or after its time

Ends = Mapping[bytes, tuple[bytes, float]]  # by key: data, and the end by CLOCK_BOOTTIME


def planned_ends(wanted: SetLayout, timed: Iterable[TimedElement]) -> Ends:
    """The ends that the elements ``timed`` of one set should have."""
    found: dict[bytes, tuple[bytes, float]] = {}
    for each in timed:
        key = nft_bytes.key(wanted, key_text(each))
        whole = nft_bytes.element(wanted, key_text(each), value_text(each))
        found[key] = whole[len(key) + 4 :], each.deadline
    return found


def live_ends(name: Name, live: Live, now: float) -> Ends | None:
    """The ends of the elements that are there; None where there is no such set."""
    there = live.timed.get(name)
    return {key: (value, now + left) for key, (value, left) in there.items()} if there is not None else None


def in_time(expected: Ends | None, there: Ends | None, now: float) -> bool:
    """Whether those that are there are the expected ones, but for what has ended."""
    if expected is None or there is None:
        return expected is there
    early = any(end > now + MARGIN and key not in there for key, (_, end) in expected.items())
    wrong = any(
        key not in expected or value != expected[key][0] or abs(end - expected[key][1]) > MARGIN
        for key, (value, end) in there.items()
    )
    return not early and not wrong


class Listed(Struct, frozen=True):
    """What the kernel lists of a set whose elements it writes another way, or of a flowtable."""

    elements: frozenset[bytes] | None
    ends: Ends | None
    devices: frozenset[str] | None

    @classmethod
    def of(cls, name: Name, live: Live, now: float) -> Listed:
        return cls(live.sets.get(name), live_ends(name, live, now), live.flowtables.get(name))

    def same(self, later: Listed, now: float) -> bool:
        """Whether nothing has changed in ``later`` but what has ended in time."""
        lasting = (self.elements, self.devices) == (later.elements, later.devices)
        return lasting and in_time(self.ends, later.ends, now)
