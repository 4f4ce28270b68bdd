"""``mullvad``: an account number gives a token; key rotation, multihop, content blocking."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address
from typing import Any

from msgspec.structs import replace

from app.addresses import Address
from app.errors import ConflictError
from app.model import Endpoint, Peer, ProviderSettings
from app.providers import mullvad_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.dialling import ALL_TRAFFIC, DirectDialler
from app.providers.key_rotation import KeyRotation
from app.providers.mullvad_account import MullvadAccount
from app.providers.mullvad_api import MullvadApi
from app.providers.server_list.relay import Relay
from app.providers.server_list.servers import ServerList
from app.store.accounts import Account

# The resolver is 100.64.0.N, where N is the sum of the chosen values.
BLOCKING = {"ads": 1, "trackers": 2, "malware": 4, "adult": 8, "gambling": 16, "social": 32}
BLOCKING_DNS = IPv4Address("100.64.0.0")
DNS = IPv4Address("10.64.0.1")
KEY_EXCHANGE_PORT = 1337  # TCP, at the address of the resolver that blocks nothing: the relay itself


class MullvadProvider(SignInProvider):
    name = "mullvad"
    title = "Mullvad"
    capabilities = Capabilities(
        sign_in=True,
        devices=True,
        key_rotation=True,
        multihop=True,
        choose_port=True,
        ipv6_endpoint=True,
        post_quantum=True,
        content_blocking=tuple(BLOCKING),
        file_key=True,
    )
    credentials = (
        CredentialField(
            "account_number",
            "Account number",
            help="the digits of your Mullvad account, 16 as a rule",
            pattern=r"[0-9]{10,20}",
        ),
    )
    apis = {"mullvad": ApiConfig("https://api.mullvad.net", addresses=(IPv4Address("45.83.223.196"),))}
    source = mullvad_relays.SOURCE

    def make_parts(self, context: ProviderContext) -> Parts:
        account = MullvadAccount(context.session, MullvadApi(context.client()))
        return Parts(
            account=account,
            dialler=_MullvadDialler(context.servers, self.capabilities),
            rotation=KeyRotation(context.session, account.replace_key, account.remove_retired),
            devices=account,
            key_exchange=lambda: (_resolver(context.servers), KEY_EXCHANGE_PORT),
        )

    def confirms_exit(self, answer: Mapping[str, Any]) -> bool | None:
        """The verdict in the answer of https://am.i.mullvad.net/json."""
        said = answer.get("mullvad_exit_ip")
        return said if isinstance(said, bool) else None


class _MullvadDialler:
    """Dials a server directly, or through an entry server, whose port selects the exit."""

    def __init__(self, servers: ServerList, capabilities: Capabilities) -> None:
        self._servers = servers
        self._direct = DirectDialler(servers, capabilities)

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        """Raises ConflictError where the server or its entry cannot be dialled with these settings."""
        if settings.multihop_entry is None or settings.multihop_entry == relay.hostname:
            account, peer = await self._direct.dial(relay, account, settings)
        else:
            peer = self._through(settings.multihop_entry, relay, ipv6=settings.ipv6_endpoint)
        return replace(account, dns=(self._resolver(settings),)), peer

    def _through(self, hostname: str, relay: Relay, *, ipv6: bool) -> Peer:
        entry = self._servers.multihop_entry(hostname)
        if relay.multihop_port is None:
            raise ConflictError(
                f"{relay.hostname} cannot be reached through another server yet: fetch the server list again",
                field="server",
            )
        host = entry.ipv6 if ipv6 and entry.ipv6 else entry.ipv4
        assert host is not None
        endpoint = Endpoint(host, relay.multihop_port)
        return Peer(public_key=relay.public_key, endpoint=endpoint, allowed_ips=ALL_TRAFFIC)

    def _resolver(self, settings: ProviderSettings) -> Address:
        block = sum(BLOCKING[name] for name in set(settings.content_blocking) if name in BLOCKING)
        if block:
            return BLOCKING_DNS + block
        return _resolver(self._servers)


def _resolver(servers: ServerList) -> Address:
    """The address of each server inside its tunnels."""
    return ip_address(servers.general.get("dns4", str(DNS)))
