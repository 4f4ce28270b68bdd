"""Our nftables tables as they are meant and as they are: loading, attestation, drop counters.

What the kernel should hold cannot be computed from the text (nft rewrites it in its own words), so it is read back
after each load and remembered as a fingerprint. That this reading shows what *we* loaded, and not what somebody
made of it in between, is known from the kernel's generation number: our transaction raised it by one, and nobody raised
it since. Later looks compare the number first, so an idle gateway starts no process.
"""

from __future__ import annotations

from app.errors import KernelError
from app.network import nft
from app.network.ruleset.bridge import DHCP, ROUTERS

_TRIES = 3  # loads until one can be attested; each needs another program's transaction at the wrong moment to fail
DROP = "drop_"
_NONE = nft.Count(0, 0)


class Firewall:
    """``inet vpn_gateway`` and, where there is a bridge, ``bridge vpn_gateway``.

    Its user calls ``load``, ``confirm`` and ``holds`` one at a time.
    """

    def __init__(self) -> None:
        self._text: str | None = None
        self._fingerprint: str | None = None
        self._generation: int | None = None  # at which the live table was last known to be the one that was loaded
        self._counts: dict[str, nft.Count] = {}
        self._stopped_without = 0  # frames of other routers that had been stopped when no port was known to have one

    async def load(self, text: str) -> None:
        """Replace the table in one transaction. Raises KernelError; a refused text changes nothing."""
        self._count()
        text_now = nft.carry(text, self._counts, await self._seen())
        before = nft.generation()
        await nft.load(text_now)
        after = nft.generation()
        self._text, self._fingerprint = text, None
        self._generation = after if after == _next(before) else None

    async def confirm(self) -> None:
        """Read back what was loaded, if that is yet to be done, and load it again if it may have been changed since.

        Raises KernelError where no reading is certain.
        """
        for _ in range(_TRIES):
            if self._text is None or self._fingerprint is not None:
                return
            if self._generation is not None:
                live = await nft.tables(_families(self._text))
                if nft.generation() == self._generation:
                    self._fingerprint = nft.fingerprint(live)
                    return
            await self.load(self._text)
        raise KernelError("another program keeps changing nftables: the ruleset is loaded but cannot be attested")

    async def holds(self, text: str) -> bool:
        """Whether the live table is the one that loading ``text`` gave. Raises KernelError, OSError."""
        if text != self._text or self._fingerprint is None:
            return False
        now = nft.generation()
        if now == self._generation:
            return True
        live = await nft.tables(_families(text))
        if nft.fingerprint(live) != self._fingerprint:
            return False
        self._generation = now  # from before the listing: whatever came after it is looked at next time
        return True

    def doubt(self) -> None:
        """Look again at next ``holds``: an interface that goes leaves its flowtables, which raises no generation."""
        self._generation = None

    def drops(self) -> dict[str, int]:
        """Packets stopped, by reason. Replacing the table loses none; flushing it, those since the last look."""
        self._count()
        found = sorted(self._counts.items())
        return {name.removeprefix(DROP): count.packets for name, count in found if name.startswith(DROP)}

    async def _seen(self) -> dict[str, tuple[str, ...]]:
        """The ports with another router behind them; asked for only where one was heard since there was none."""
        stopped = self._counts.get(f"{DROP}foreign_router", _NONE).packets
        if stopped == self._stopped_without:
            return {}
        try:
            found = {name: await nft.elements("bridge", name) for name in (DHCP, ROUTERS)}
        except KernelError:
            return {}  # they will be heard again; a ruleset that is not replaced is worse
        if not any(found.values()):
            self._stopped_without = stopped
        return found

    def _count(self) -> None:
        live = nft.counters()
        self._counts |= {
            name: count
            for name, count in live.items()
            if name not in self._counts or count.packets >= self._counts[name].packets
        }


def _families(text: str) -> tuple[str, ...]:
    return tuple(family for family in ("inet", "bridge") if f"\ntable {family} " in f"\n{text}")


def _next(generation: int) -> int:
    """The generation after one more transaction: 32 bits, and never 0."""
    return (generation + 1) % (1 << 32) or 1
