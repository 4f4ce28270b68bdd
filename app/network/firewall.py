"""The gateway's nftables tables: loaded, changed by elements, attested; and their drop counters.

A ruleset is loaded as a whole at the start and when its frame of chains changes; else only the elements that differ are
deleted and added. The frame that the kernel should have cannot be computed from the text, so it is read back after a
load and remembered as a digest. Elements are compared with the plan itself. The kernel's generation number proves that
what is read back is what *we* loaded: our transaction raised it by one, and no other has raised it since. Later checks
compare the number first, so an idle gateway reads nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from app.errors import KernelError
from app.network import nft, nft_bytes, nft_kernel
from app.network.nft_delta import delta
from app.network.nft_ends import Listed, in_time, live_ends, planned_ends
from app.network.nft_kernel import Live
from app.network.nft_layout import Layout, Name, SetLayout, layout
from app.network.nft_proof import Kind, kind, proven
from app.network.plan import NetworkPlan, TimedElement
from app.network.ruleset.bridge import DHCP, ROUTERS

log = logging.getLogger(__name__)

_MAX_LOADS = 3  # loads until one can be attested; each needs another program's transaction at the wrong moment to fail
DROP = "drop_"
_NONE = nft.Count(0, 0)
_EMPTY = Layout("", {}, {})


class _Proof:
    """The kinds of sets whose encoding is proven, once for the whole process: its nft and kernel stay."""

    kinds: frozenset[Kind] = frozenset()
    asked: frozenset[Kind] = frozenset()


class Firewall:
    """``inet vpn_gateway`` and, where there is a bridge, ``bridge vpn_gateway``.

    Calls of ``apply``, ``attest`` and ``matches`` must not overlap.
    """

    def __init__(self) -> None:
        self._text: str | None = None
        self._layout = _EMPTY
        self._timed: tuple[TimedElement, ...] = ()
        self._frame: bytes | None = None
        self._generation: int | None = None  # at the last time when the live table was known to be the planned one
        self._unreadable: Mapping[Name, Listed] = {}  # sets whose elements the kernel writes another way
        self._encoded: dict[Name, tuple[Mapping[str, str], frozenset[bytes] | None]] = {}
        self._counts: dict[str, nft.Count] = {}
        self._drops_when_clear = 0  # frames of foreign routers dropped when no such port was known
        self.loads = 0
        self.changes = 0

    async def apply(self, plan: NetworkPlan) -> None:
        """Make the ruleset that of ``plan`` in one transaction. Idempotent. Raises KernelError, OSError.

        A refused text changes nothing.
        """
        if not self._changed_to(plan):
            await self._load(plan.transaction, plan.timed)

    def _changed_to(self, plan: NetworkPlan) -> bool:
        """Whether changes of elements were enough; they are made only to a state that is known."""
        if self._text is None or self._frame is None:
            return False
        try:
            return self._matches_last() and self._change(plan)
        except OSError as error:
            log.warning("the ruleset is loaded as a whole, because it could not be read: %s", error)
            return False

    def _change(self, plan: NetworkPlan) -> bool:
        """Change the elements that differ. False where only a load can do it."""
        text = plan.transaction
        wanted = self._layout if text == self._text else layout(text)
        found = delta(self._layout, wanted, self._timed, plan.timed, now=_now())
        if found is None or any(change.name in self._unreadable for change in found):
            return False
        if found:
            assert self._generation is not None
            try:
                nft_kernel.change(found, wanted, self._generation)
            except (OSError, nft_bytes.UnknownFieldError) as error:
                log.warning("the ruleset is loaded as a whole, because a change of it was refused: %s", error)
                return False
            self._generation = _next_generation(self._generation)
            self.changes += 1
        self._text, self._layout, self._timed = text, wanted, plan.timed
        return True

    async def _load(self, text: str, timed: tuple[TimedElement, ...] = ()) -> None:
        await _prove(text)
        self._read_counters()
        ports = await self._foreign_router_ports()
        before = nft.generation()
        text_now = nft.with_deadlines(nft.carry_over(text, self._counts, ports), _now())
        made: list[Layout] = []
        await nft.load(text_now, lambda: made.append(self._prepare(text)))
        after = nft.generation()
        self._text, self._layout, self._timed = text, made[0], timed
        self._frame, self._unreadable = None, {}
        self._generation = after if after == _next_generation(before) else None
        self.loads += 1

    def _prepare(self, text: str) -> Layout:
        """The layout of ``text``, with its elements as attestation will compare them."""
        found = layout(text)
        for name, wanted in found.sets.items():
            self._expected(name, wanted)
        return found

    def _expected(self, name: Name, wanted: SetLayout) -> frozenset[bytes] | None:
        """The elements as the kernel should list them; None where they cannot be encoded."""
        kept = self._encoded.get(name)
        if kept is None or kept[0] is not wanted.elements:
            try:
                found = nft_bytes.every_element(wanted)
            except nft_bytes.UnknownFieldError:
                found = None
            kept = self._encoded[name] = wanted.elements, found
        return kept[1]

    async def attest(self) -> None:
        """Read back what was loaded, if that has not been done, and load it again if it may have been changed since.

        Raises KernelError where other programs keep changing it.
        """
        for _ in range(_MAX_LOADS):
            if self._text is None or self._frame is not None:
                return
            if self._generation is not None:
                live = nft_kernel.read(_families(self._text), self._layout)
                if nft.generation() == self._generation:
                    self._frame = live.frame
                    self._unreadable = {
                        n: Listed.of(n, live, _now()) for n in (*self._differing(live), *self._unproven())
                    }
                    if self._unreadable:
                        log.warning("not changed by elements: %s", ", ".join(self.unreadable))
                    return
            await self._load(self._text, self._timed)
        raise KernelError("another program keeps changing nftables: the ruleset is loaded but cannot be attested")

    async def matches(self, plan: NetworkPlan) -> bool:
        """Whether the live tables are those of ``plan``. Raises KernelError, OSError."""
        if plan.transaction != self._text or self._frame is None or plan.timed != self._timed:
            return False
        return self._matches_last()

    def _matches_last(self) -> bool:
        """Whether the live tables are those that were applied last. Raises OSError."""
        assert self._text is not None
        now = nft.generation()
        if now == self._generation:
            return True
        live = nft_kernel.read(_families(self._text), self._layout)
        for name in self._differing(live):
            if name not in self._unreadable:
                return False
        at = _now()
        if not all(before.same(Listed.of(name, live, at), at) for name, before in self._unreadable.items()):
            return False
        if live.frame != self._frame:
            return False
        self._generation = now  # from before the listing: a later change is checked next time
        return True

    def _unproven(self) -> list[Name]:
        return [name for name, one in self._layout.sets.items() if kind(one) not in _Proof.kinds]

    def _differing(self, live: Live) -> list[Name]:
        """The sets and flowtables whose live elements are not the planned ones."""
        found: list[Name] = []
        for name, wanted in self._layout.sets.items():
            if wanted.flags == "timeout":
                if not self._in_time(name, live):
                    found.append(name)
                continue
            if live.sets.get(name) != self._expected(name, wanted):
                found.append(name)
        found += [name for name, devices in self._layout.flowtables.items() if live.flowtables.get(name) != devices]
        return found

    def _in_time(self, name: Name, live: Live) -> bool:
        """Whether a set has the timed elements of the plan that are still in time, to their ends."""
        planned = planned_ends(self._layout.sets[name], (e for e in self._timed if ("inet", e.collection) == name))
        now = _now()
        return in_time(planned, live_ends(name, live, now), now)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The sets that can only be loaded: the kernel writes their elements in another way than was expected."""
        return tuple(sorted(name for _, name in self._unreadable))

    def invalidate(self) -> None:
        """Make the next check read the table: a removed interface changes flowtables without a new generation."""
        self._generation = None

    def drops(self) -> dict[str, int]:
        """Dropped packets by reason. Replacing the table loses none; flushing it loses those since the last reading."""
        self._read_counters()
        found = sorted(self._counts.items())
        return {name.removeprefix(DROP): count.packets for name, count in found if name.startswith(DROP)}

    async def _foreign_router_ports(self) -> dict[str, tuple[str, ...]]:
        """The ports with a foreign router behind them; listed only where a frame was dropped since there was none."""
        stopped = self._counts.get(f"{DROP}foreign_router", _NONE).packets
        if stopped == self._drops_when_clear:
            return {}
        try:
            found = {name: await nft.elements("bridge", name) for name in (DHCP, ROUTERS)}
        except KernelError:
            return {}  # they will be detected again; a ruleset that is not replaced is worse
        if not any(found.values()):
            self._drops_when_clear = stopped
        return found

    def _read_counters(self) -> None:
        live = nft.counters()
        self._counts |= {
            name: count
            for name, count in live.items()
            if name not in self._counts or count.packets >= self._counts[name].packets
        }


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _prove(text: str) -> None:
    kinds = frozenset(map(kind, layout(text).sets.values())) if not _Proof.asked else frozenset[Kind]()
    if kinds:
        _Proof.kinds = await proven(kinds)
        _Proof.asked = kinds if _Proof.kinds else frozenset()  # where nothing could be learnt, the next load asks again


def _families(text: str) -> tuple[str, ...]:
    return tuple(family for family in ("inet", "bridge") if f"\ntable {family} " in f"\n{text}")


def _next_generation(generation: int) -> int:
    """The generation after one more transaction: 32 bits, and never 0."""
    return (generation + 1) % (1 << 32) or 1
