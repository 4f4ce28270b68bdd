"""The gateway's nftables tables: loading, attestation and drop counters.

The listing that the kernel should give cannot be computed from the text, which nft rewrites, so it is read back after
each load and remembered as a fingerprint. The kernel's generation number proves that the listing shows what *we*
loaded: our transaction raised it by one, and no other transaction has raised it since. Later checks compare the number
first, so an idle gateway starts no process.
"""

from __future__ import annotations

from app.errors import KernelError
from app.network import nft
from app.network.ruleset.bridge import DHCP, ROUTERS

_MAX_LOADS = 3  # loads until one can be attested; each needs another program's transaction at the wrong moment to fail
DROP = "drop_"
_NONE = nft.Count(0, 0)


class Firewall:
    """``inet vpn_gateway`` and, where there is a bridge, ``bridge vpn_gateway``.

    Calls of ``load``, ``attest`` and ``matches`` must not overlap.
    """

    def __init__(self) -> None:
        self._text: str | None = None
        self._fingerprint: str | None = None
        self._generation: int | None = None  # at the last time when the live table was known to be the loaded one
        self._counts: dict[str, nft.Count] = {}
        self._drops_when_clear = 0  # frames of foreign routers dropped when no such port was known

    async def load(self, text: str) -> None:
        """Replace the table in one transaction. Raises KernelError; a refused text changes nothing."""
        self._read_counters()
        text_now = nft.carry_over(text, self._counts, await self._foreign_router_ports())
        before = nft.generation()
        await nft.load(text_now)
        after = nft.generation()
        self._text, self._fingerprint = text, None
        self._generation = after if after == _next_generation(before) else None

    async def attest(self) -> None:
        """Read back what was loaded, if that has not been done, and load it again if it may have been changed since.

        Raises KernelError where other programs keep changing it.
        """
        for _ in range(_MAX_LOADS):
            if self._text is None or self._fingerprint is not None:
                return
            if self._generation is not None:
                live = await nft.tables(_families(self._text))
                if nft.generation() == self._generation:
                    self._fingerprint = nft.fingerprint(live)
                    return
            await self.load(self._text)
        raise KernelError("another program keeps changing nftables: the ruleset is loaded but cannot be attested")

    async def matches(self, text: str) -> bool:
        """Whether the live table is the one that loading ``text`` gave. Raises KernelError, OSError."""
        if text != self._text or self._fingerprint is None:
            return False
        now = nft.generation()
        if now == self._generation:
            return True
        live = await nft.tables(_families(text))
        if nft.fingerprint(live) != self._fingerprint:
            return False
        self._generation = now  # from before the listing: a later change is checked next time
        return True

    def invalidate(self) -> None:
        """Make the next ``matches`` list the table: a removed interface changes flowtables without a new generation."""
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


def _families(text: str) -> tuple[str, ...]:
    return tuple(family for family in ("inet", "bridge") if f"\ntable {family} " in f"\n{text}")


def _next_generation(generation: int) -> int:
    """The generation after one more transaction: 32 bits, and never 0."""
    return (generation + 1) % (1 << 32) or 1
