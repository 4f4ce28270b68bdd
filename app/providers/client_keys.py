"""The keys by which a server tells its clients apart, which most providers know before they dial (pure)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from msgspec import Struct


class ClientKeys(Struct, frozen=True):
    """The public key of this gateway, and those of the peers with which it is used."""

    own: str
    peers: frozenset[str]

    def meet(self, other: ClientKeys) -> bool:
        """Whether a server would take both for the same client."""
        return bool(self.own) and self.own == other.own and not self.peers.isdisjoint(other.peers)


@runtime_checkable
class TellsKeys(Protocol):
    """A provider that knows the keys of a tunnel before there is one."""

    def client_keys(self, hostname: str) -> ClientKeys | None:
        """None where they are known only once the server has been asked, or where there is no key at all."""
        ...
