"""``imported``: servers that come from WireGuard .conf files."""

from __future__ import annotations

from app import wgconf
from app.addresses import Network
from app.model import Server, ServerSecrets, StoredServer, TunnelConfig
from app.providers.base import Capabilities
from app.providers.names import check_name
from app.providers.stored import StoredServers
from app.store import Store
from app.store.servers import take_apart


def parse_import(
    name: str, config: str | bytes, *, added: float, lan: tuple[Network, ...] = ()
) -> tuple[StoredServer, ServerSecrets]:
    """The server that the .conf file describes; ``added`` is the Unix time.

    Raises InvalidFieldError for the name, :class:`app.wgconf.ConfigError` (one too) with line, key and reason.
    """
    checked_name = check_name(name.strip().removesuffix(".conf"))
    parsed = wgconf.parse(config, lan=lan, name=checked_name)
    return take_apart(
        parsed.config,
        name=checked_name,
        provider=ImportedProvider.name,
        location=parsed.location,
        added=added,
        warnings=tuple(str(warning) for warning in parsed.warnings),
    )


class ImportedProvider:
    name = "imported"
    title = "Imported configurations"
    capabilities = Capabilities(import_config=True, remove=True)

    def __init__(self, store: Store) -> None:
        self._stored = StoredServers(store, self.name, self.title)

    async def servers(self) -> tuple[Server, ...]:
        return self._stored.all()

    async def tunnel(self, hostname: str) -> TunnelConfig:
        return self._stored.tunnel(hostname)
