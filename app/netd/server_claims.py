"""The claims of exits on servers: no two exits may have a tunnel to one server with one key.

A WireGuard server knows its clients by their keys and answers each at the address that it was last heard from. Of two
tunnels with one key only one would receive anything at any moment, and both would say that they are connected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from app.providers.client_keys import ClientKeys
from app.tunnel.states import Target, Tunnel


class Claim(Struct, frozen=True):
    """A server and the keys of a tunnel to it, which there is or is to be."""

    target: Target
    keys: ClientKeys


class ServerClaims:
    """The claims by the exits' numbers, which outlast their names."""

    def __init__(self, listed: Callable[[Target], Target | None]) -> None:
        """``listed`` tells which server of a provider's list a target is (:mod:`app.netd.listed_servers`)."""
        self._listed = listed
        self._by_exit: dict[int, tuple[Claim, ...]] = {}

    def exclude(self, one: Claim, other: Claim) -> bool:
        """Whether both would be one client of one server.

        Two entries of a provider's list are two servers, though many providers give several of them one key. Two files
        of users, or a file and an entry, may be for one server, unless a list is certain that they are not.
        """
        if not one.keys.meet(other.keys):
            return False
        mine, theirs = self._listed(one.target), self._listed(other.target)
        return mine is None or theirs is None or mine.provider != theirs.provider or mine == theirs

    def holder(self, index: int, wanted: Claim) -> int | None:
        """The number of another exit than ``index`` with a tunnel that excludes ``wanted``."""
        others = ((i, claims) for i, claims in self._by_exit.items() if i != index)
        return next((i for i, claims in others if any(self.exclude(claim, wanted) for claim in claims)), None)

    def claim(self, index: int, tunnel: Tunnel, peer_keys: Iterable[str]) -> int | None:
        """Claim the server of ``tunnel``, which is about to be made, for exit ``index``; else the holder's number."""
        wanted = Claim(tunnel.target, ClientKeys(tunnel.own_key, frozenset(peer_keys)))
        holder = self.holder(index, wanted)
        if holder is None:
            self._by_exit[index] = (*self._by_exit.get(index, ()), wanted)
        return holder

    def settle(self, index: int, tunnels: Iterable[Tunnel]) -> None:
        """Keep the claims of the tunnels that exit ``index`` has, and no others."""
        known = self._by_exit.pop(index, ())
        kept = tuple(_claim_of(tunnel, known) for tunnel in tunnels)
        if kept:
            self._by_exit[index] = kept


def _claim_of(tunnel: Tunnel, known: Iterable[Claim]) -> Claim:
    keys = ClientKeys(tunnel.own_key, frozenset((tunnel.peer_key,)))
    made = Claim(tunnel.target, keys)  # of an adopted tunnel no more is known
    return next((c for c in known if c.target == made.target and c.keys.meet(made.keys)), made)
