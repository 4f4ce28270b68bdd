"""The difference between two plans' rulesets as one transaction of elements (pure).

Only what differs is deleted or added: counters go on, and no packet of another device meets a change. The kernel takes
all of a transaction at one instant, so an element whose value changes is never missing in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from app.network.nft_layout import Layout, Name
from app.network.plan import TimedElement


class Change(Struct, frozen=True):
    """The elements of one set or map that go and that come, values by key; of a flowtable, its devices."""

    name: Name
    removed: tuple[str, ...]
    added: tuple[tuple[str, str, float | None], ...]  # key, value, timeout in seconds
    flowtable: bool = False


def delta(
    old: Layout,
    new: Layout,
    old_timed: Sequence[TimedElement] = (),
    new_timed: Sequence[TimedElement] = (),
    *,
    now: float = 0.0,
) -> tuple[Change, ...] | None:
    """The changes that turn ``old`` into ``new``; None where the frame differs, so that a whole load is needed.

    ``now`` is by CLOCK_BOOTTIME: a timed element is added with the rest of its time, and one that has run out needs no
    deletion.
    """
    if old.frame != new.frame or old.sets.keys() != new.sets.keys():
        return None
    found: list[Change] = []
    before, after = _by_set(old_timed), _by_set(new_timed)
    for name, wanted in new.sets.items():
        there = old.sets[name]
        if (there.key, there.value, there.flags) != (wanted.key, wanted.value, wanted.flags):
            return None
        gone: list[str] = []
        come: list[tuple[str, str, float | None]] = []
        if there.elements is not wanted.elements:
            gone = [k for k, v in there.elements.items() if wanted.elements.get(k) != v]
            come = [(k, v, None) for k, v in wanted.elements.items() if there.elements.get(k) != v]
        was, then = before.get(name, {}), after.get(name, {})
        gone += [k for k, e in was.items() if e.deadline > now and then.get(k) != e]
        come += [(k, value_text(e), e.deadline - now) for k, e in then.items() if e.deadline > now and was.get(k) != e]
        if gone or come:
            found.append(Change(name, tuple(gone), tuple(come)))
    for name, devices in new.flowtables.items():
        there = old.flowtables[name]
        if devices != there:
            added = tuple((device, "", None) for device in sorted(devices - there))
            found.append(Change(name, tuple(sorted(there - devices)), added, flowtable=True))
    return tuple(found)


def _by_set(timed: Iterable[TimedElement]) -> Mapping[Name, dict[str, TimedElement]]:
    found: dict[Name, dict[str, TimedElement]] = {}
    for each in timed:
        found.setdefault(("inet", each.collection), {})[key_text(each)] = each
    return found


def key_text(element: TimedElement) -> str:
    """The element's key as nft(8) writes it."""
    return " . ".join(f"0x{part:x}" if isinstance(part, int) else str(part) for part in element.key)


def value_text(element: TimedElement) -> str:
    return "" if element.value is None else f"0x{element.value:x}"
