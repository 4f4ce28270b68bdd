"""Direct dialling: the peer is the server itself, by its address or DNS name, and carries all traffic."""

from __future__ import annotations

from app.errors import ConflictError
from app.model import Endpoint, Peer, ProviderSettings
from app.providers.base import Capabilities
from app.providers.server_list.relay import Relay
from app.providers.server_list.servers import ServerList
from app.store.accounts import Account
from app.wgconf import fields

ALL_TRAFFIC = fields.networks("0.0.0.0/0, ::/0")
V4_ONLY = fields.networks("0.0.0.0/0")


class DirectDialler:
    """Dials the server itself, over IPv6 where the settings ask for it."""

    def __init__(self, servers: ServerList, capabilities: Capabilities) -> None:
        self._servers = servers
        self._capabilities = capabilities

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        """Raises ConflictError where the server has no address of the requested family."""
        host = relay.ipv4 or relay.endpoint_name or relay.ipv6
        if settings.ipv6_endpoint and self._capabilities.ipv6_endpoint:
            if relay.ipv6 is None:
                raise ConflictError(f"{relay.hostname} has no IPv6 address to dial", field="server")
            host = relay.ipv6
        assert host is not None
        port = relay.port or self._servers.port(settings)
        return account, Peer(public_key=relay.public_key, endpoint=Endpoint(host, port), allowed_ips=ALL_TRAFFIC)
