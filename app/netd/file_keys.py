"""The keys of imported files: which of them opens a provider's whole server list."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from app.errors import GatewayError
from app.model import StoredServer, TunnelConfig
from app.protocol.answers import Done, ListOffer
from app.providers.imported import ImportedProvider
from app.store import Store
from app.store.servers import join_secrets


class OfferFinder(Protocol):
    """What is used of :class:`app.providers.registry.Registry`."""

    async def find_offer(self, server: StoredServer, config: TunnelConfig) -> ListOffer | None: ...


class FileKeys:
    """Finds what the stored servers' keys open, without contacting any provider."""

    def __init__(self, store: Store, finder: OfferFinder) -> None:
        self._store = store
        self._finder = finder

    def config(self, name: str) -> TunnelConfig:
        """The configuration of the imported or custom server ``name``. Raises NotFoundError, ConflictError."""
        server = self._store.server(name)
        return join_secrets(server, self._store.secrets_for(server.name))

    async def with_offer(self, done: Done, name: str) -> Done:
        """``done``, the answer to the import of the server ``name``, with what its key opens. Raises nothing."""
        return replace(done, opens=await self._offer(name))

    async def _offer(self, name: str) -> ListOffer | None:
        try:
            return await self._finder.find_offer(self._store.server(name), self.config(name))
        except GatewayError:  # its keys were lost: there is nothing to offer
            return None

    async def files_for(self, provider: str) -> tuple[str, ...]:
        """The imported servers whose key opens the list of ``provider``, the first one of each key."""
        found: dict[str | None, str] = {}
        for server in self._store.servers(ImportedProvider.name):
            if server.public_key not in found:
                offer = await self._offer(server.name)
                if offer is not None and offer.provider == provider:
                    found[server.public_key] = server.name
        return tuple(found.values())
