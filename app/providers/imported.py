"""``imported``: servers from WireGuard .conf files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from app import wgconf
from app.addresses import Network
from app.model import Server, ServerSecrets, StoredServer, TunnelConfig
from app.providers.base import Capabilities
from app.providers.client_keys import ClientKeys
from app.providers.local_server import StoredServers, main_key
from app.providers.server_names import UNKNOWN, check_name
from app.store import Store
from app.store.servers import split_secrets


def parse_import(
    name: str, config: str | bytes, *, added: float, lan: tuple[Network, ...] = ()
) -> tuple[StoredServer, ServerSecrets]:
    """The server that the .conf file describes; ``added`` is the Unix time.

    Raises InvalidFieldError for the name and :class:`app.wgconf.ConfigError`, a subclass, with line, key and reason.
    """
    checked_name = check_name(name.strip().removesuffix(".conf"))
    parsed = wgconf.parse(config, lan=lan, name=checked_name)
    return split_secrets(
        parsed.config,
        name=checked_name,
        provider=ImportedProvider.name,
        location=parsed.location,
        added=added,
        warnings=tuple(str(warning) for warning in parsed.warnings),
        service=parsed.provider,
    )


def _find_none(_key: str) -> None:
    return None


async def _no_lists() -> None:
    return None


class ImportedProvider:
    name = "imported"
    title = "Imported configurations"
    capabilities = Capabilities(import_config=True, remove=True)

    def __init__(
        self,
        store: Store,
        find_by_key: Callable[[str], Server | None] = _find_none,
        load_lists: Callable[[], Awaitable[None]] = _no_lists,
    ) -> None:
        """``find_by_key`` finds a server by its public key in the lists of the providers with accounts.

        ``load_lists`` reads those lists from disk.
        """
        self._store = store
        self._stored = StoredServers(store, self.name, self.title)
        self._find_by_key = find_by_key
        self._load_lists = load_lists

    async def servers(self) -> tuple[Server, ...]:
        if any(server.location == UNKNOWN for server in self._stored.all()):
            await self._load_lists()
        return tuple(self._with_location(server) for server in self._stored.all())

    def _with_location(self, server: Server) -> Server:
        """``server`` with the location from a provider's list, where the file has none."""
        if server.location != UNKNOWN:
            return server
        key = main_key(self._store.server(server.hostname).peers)
        found = self._find_by_key(key) if key is not None else None
        if found is None:
            return server
        return replace(
            server,
            country=found.country,
            city=found.city,
            location=found.location,
            country_code=found.country_code,
            latitude=found.latitude,
            longitude=found.longitude,
        )

    async def tunnel(self, hostname: str) -> TunnelConfig:
        return self._stored.tunnel(hostname)

    def unproven_key(self, hostname: str) -> str | None:
        return self._stored.unproven_key(hostname)

    def client_keys(self, hostname: str) -> ClientKeys | None:
        return self._stored.client_keys(hostname)

    def prove_key(self, public_key: str) -> None:
        self._stored.prove_key(public_key)
