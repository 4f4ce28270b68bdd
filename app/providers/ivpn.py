"""``ivpn``: an account ID gives a session; public server list, multihop by the exit's port, AntiTracker resolvers."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from app.errors import ConflictError, InvalidFieldError
from app.model import Endpoint, Peer, ProviderSettings
from app.providers import ivpn_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.dialling import ALL_TRAFFIC, V4_ONLY, DirectDialler
from app.providers.ivpn_account import NO_MULTIHOP, IvpnAccount, may_multihop
from app.providers.key_rotation import KeyRotation
from app.providers.server_list.relay import Relay
from app.providers.server_list.servers import ServerList
from app.store.accounts import Account


class IvpnProvider(SignInProvider):
    name = "ivpn"
    title = "IVPN"
    capabilities = Capabilities(
        sign_in=True,
        key_rotation=True,
        multihop=True,
        choose_port=True,
        content_blocking=("trackers", "hardcore"),
        file_key=True,
    )
    credentials = (
        CredentialField(
            "account_id",
            "Account ID",
            help="i-XXXX-XXXX-XXXX, or ivpn followed by letters and digits",
            pattern=r"(i-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}|ivpn[A-Za-z0-9-]{5,20})",
        ),
        CredentialField(
            "two_factor",
            "Two-factor code",
            optional=True,
            help="the six digits of your authenticator, if the account has one",
            pattern=r"[0-9]{6,8}",
        ),
        CredentialField(
            "sign_out_others",
            "Sign out all other devices",
            secret=False,
            optional=True,
            help="yes or no: makes room when the account has too many devices",
            pattern=r"yes|no",
        ),
    )
    apis = {"ivpn": ApiConfig("https://api.ivpn.net")}
    source = ivpn_relays.SOURCE

    def check_settings(self, settings: ProviderSettings) -> None:
        super().check_settings(settings)
        account = self._session.account
        if settings.multihop_entry is not None and account is not None and not may_multihop(account):
            raise InvalidFieldError(f"multihop_entry: {NO_MULTIHOP}", field="multihop_entry")

    def make_parts(self, context: ProviderContext) -> Parts:
        account = IvpnAccount(context.session, context.client())
        return Parts(
            account=account,
            dialler=_IvpnDialler(context.servers, self.capabilities),
            rotation=KeyRotation(context.session, account.replace_key),
        )


class _IvpnDialler:
    """Dials a server directly, or through an entry server, whose port selects the exit."""

    def __init__(self, servers: ServerList, capabilities: Capabilities) -> None:
        self._servers = servers
        self._direct = DirectDialler(servers, capabilities)

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        """Raises ConflictError where the server or its entry cannot be dialled with these settings."""
        if settings.multihop_entry is None or settings.multihop_entry == relay.hostname:
            account, peer = await self._direct.dial(relay, account, settings)
        else:
            if not may_multihop(account):
                raise ConflictError(NO_MULTIHOP, field="multihop_entry")
            peer = self._through(settings.multihop_entry, relay)
        resolver = self._blocking_resolver(settings) or relay.details.get("dns")
        if resolver is not None:
            account = replace(account, dns=(ipaddress.ip_address(resolver),))
        if not self._carries_ipv6(relay, settings):
            # IPv6 is then refused at once here, and not lost in a tunnel that has none.
            addresses = tuple(a for a in account.addresses if a.version == 4)
            account, peer = replace(account, addresses=addresses), replace(peer, allowed_ips=V4_ONLY)
        return account, peer

    def _carries_ipv6(self, relay: Relay, settings: ProviderSettings) -> bool:
        """Whether the server that is dialled has IPv6; the entry's word counts, as in IVPN's own app."""
        entry = settings.multihop_entry
        dialled = relay if entry is None else self._servers.get(entry) or relay
        return dialled.details.get("ipv6") != "no"

    def _through(self, hostname: str, relay: Relay) -> Peer:
        entry = self._servers.multihop_entry(hostname)
        if relay.multihop_port is None or entry.ipv4 is None:
            raise ConflictError(f"{relay.hostname} cannot be reached through another server", field="server")
        endpoint = Endpoint(entry.ipv4, relay.multihop_port)
        return Peer(public_key=relay.public_key, endpoint=endpoint, allowed_ips=ALL_TRAFFIC)

    def _blocking_resolver(self, settings: ProviderSettings) -> str | None:
        for name in ("hardcore", "trackers"):
            if name in settings.content_blocking and f"dns_{name}" in self._servers.general:
                return self._servers.general[f"dns_{name}"]
        return None
