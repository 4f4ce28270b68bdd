"""The claims of exits on servers: no two exits may have a tunnel to one server with one key.

A WireGuard server knows its clients by their keys and answers each at the address that it was last heard from. Of two
tunnels with one key only one would receive anything at any moment, and both would say that they are connected.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.tunnel.states import Target, Tunnel


class Claim(Struct, frozen=True):
    """A tunnel: this gateway's key, and the keys of the peers it is used with."""

    target: Target
    own_key: str
    peer_keys: frozenset[str]

    def excludes(self, own_key: str, peer_keys: Iterable[str]) -> bool:
        return bool(self.own_key) and self.own_key == own_key and not self.peer_keys.isdisjoint(peer_keys)


class ServerClaims:
    """The claims by the exits' numbers, which outlast their names."""

    def __init__(self) -> None:
        self._by_exit: dict[int, tuple[Claim, ...]] = {}

    def holder(self, index: int, own_key: str, peer_keys: Iterable[str]) -> int | None:
        """The number of another exit than ``index`` with a tunnel to one of these peers with this key."""
        keys = tuple(peer_keys)
        others = ((i, claims) for i, claims in self._by_exit.items() if i != index)
        return next((i for i, claims in others if any(claim.excludes(own_key, keys) for claim in claims)), None)

    def claim(self, index: int, tunnel: Tunnel, peer_keys: Iterable[str]) -> int | None:
        """Claim the server of ``tunnel``, which is about to be made, for exit ``index``; else the holder's number."""
        keys = frozenset(peer_keys)
        holder = self.holder(index, tunnel.own_key, keys)
        if holder is None:
            self._by_exit[index] = (
                *self._by_exit.get(index, ()),
                Claim(tunnel.target, tunnel.own_key, keys),
            )
        return holder

    def settle(self, index: int, tunnels: Iterable[Tunnel]) -> None:
        """Keep the claims of the tunnels that exit ``index`` has, and no others."""
        known = self._by_exit.pop(index, ())
        kept = tuple(_claim_of(tunnel, known) for tunnel in tunnels)
        if kept:
            self._by_exit[index] = kept


def _claim_of(tunnel: Tunnel, known: Iterable[Claim]) -> Claim:
    made = Claim(tunnel.target, tunnel.own_key, frozenset((tunnel.peer_key,)))  # of an adopted tunnel no more is known
    return next((c for c in known if c.target == made.target and c.excludes(made.own_key, made.peer_keys)), made)
