"""The claims of exits on servers: no two exits may have a tunnel to one server with one key.

A WireGuard server knows its clients by their keys and answers each at the address that it was last heard from. Of two
tunnels with one key only one would receive anything at any moment, and both would say that they are connected.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.providers.client_keys import ClientKeys
from app.providers.custom import CustomProvider
from app.providers.imported import ImportedProvider
from app.tunnel.states import Target, Tunnel

_NAMED_BY_USERS = frozenset({CustomProvider.name, ImportedProvider.name})


class Claim(Struct, frozen=True):
    """A server and the keys of a tunnel to it, which there is or is to be."""

    target: Target
    keys: ClientKeys

    def excludes(self, other: Claim) -> bool:
        """Whether both would be one client of one server.

        Two entries of a provider's list are two servers, though many providers give several of them one key. What
        users have named says nothing: two of their files may be for one server, and one of them for a listed server.
        """
        provider = self.target.provider
        listed = provider == other.target.provider and provider not in _NAMED_BY_USERS
        return (self.target == other.target or not listed) and self.keys.meet(other.keys)


class ServerClaims:
    """The claims by the exits' numbers, which outlast their names."""

    def __init__(self) -> None:
        self._by_exit: dict[int, tuple[Claim, ...]] = {}

    def holder(self, index: int, wanted: Claim) -> int | None:
        """The number of another exit than ``index`` with a tunnel that excludes ``wanted``."""
        others = ((i, claims) for i, claims in self._by_exit.items() if i != index)
        return next((i for i, claims in others if any(claim.excludes(wanted) for claim in claims)), None)

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
    return next((c for c in known if c.target == made.target and c.excludes(made)), made)
