"""Keys that no server has ever answered, which providers know how to tell from the others."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class TellsUnproven(Protocol):
    """A provider that remembers which of its keys have had a handshake."""

    def unproven_key(self, hostname: str) -> str | None:
        """The gateway's public key for ``hostname``, as long as no server has ever answered it."""
        ...

    def prove_key(self, public_key: str) -> None:
        """Remember that a server has answered ``public_key``. Idempotent. Raises UnavailableError (``storage``)."""
        ...
