"""Which server of a provider's list a target is, also one that a user's own file describes.

Some providers give all their servers one key, so that a file with it may be for any of them: the address tells which.
"""

from __future__ import annotations

from typing import Protocol

from app.model import Peer
from app.providers.custom import CustomProvider
from app.providers.imported import ImportedProvider
from app.store import Store
from app.tunnel.states import Target

_NAMED_BY_USERS = frozenset({CustomProvider.name, ImportedProvider.name})


class Lists(Protocol):
    """What is used of :class:`app.providers.registry.Registry`."""

    def listed_as(self, peer: Peer) -> str | None: ...


class ListedServers:
    """Looks targets up in the lists of the providers."""

    def __init__(self, store: Store, lists: Lists) -> None:
        self._store = store
        self._lists = lists

    def of(self, target: Target) -> Target | None:
        """None where it is in no list, or where the list cannot tell it from others with the same key."""
        if target.provider not in _NAMED_BY_USERS:
            return target
        server = self._store.holder(target.hostname)
        if server is None or server.provider != target.provider or len(server.peers) != 1:
            return None
        found = self._lists.listed_as(server.peers[0])
        return Target.parse(found) if found is not None else None
