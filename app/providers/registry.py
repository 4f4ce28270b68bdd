"""Which providers there are, in the order in which they are listed."""

from __future__ import annotations

from app.errors import NotFoundError
from app.providers.base import Provider
from app.providers.custom import CustomProvider
from app.providers.imported import ImportedProvider
from app.providers.mullvad import MullvadProvider
from app.store import Store


class Registry:
    def __init__(self, store: Store) -> None:
        providers: tuple[Provider, ...] = (MullvadProvider(), CustomProvider(store), ImportedProvider(store))
        self._providers = {provider.name: provider for provider in providers}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def get(self, name: str) -> Provider:
        """Raises NotFoundError (``provider``)."""
        provider = self._providers.get(name)
        if provider is None:
            raise NotFoundError(f"There is no such provider; there are {', '.join(self.names)}", field="provider")
        return provider
