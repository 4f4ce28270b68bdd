"""``custom``: servers that users enter field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app import keys, wgconf
from app.addresses import Network
from app.errors import InvalidFieldError
from app.model import Peer, Server, ServerSecrets, StoredServer, TunnelConfig
from app.protocol.commands import AddCustomServer
from app.providers.base import Capabilities
from app.providers.client_keys import ClientKeys
from app.providers.local_server import StoredServers
from app.providers.server_names import check_location, check_name
from app.store import Store
from app.store.servers import split_secrets
from app.wgconf import fields

T = TypeVar("T")

ALL_TRAFFIC = "0.0.0.0/0,::/0"


def _checked(field: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text.strip())
    except fields.BadValueError as error:
        raise InvalidFieldError(f"{field}: {error}", field=field) from None


def _optional(field: str, parse: Callable[[str], T], text: str | int | None) -> T | None:
    if text is None or not str(text).strip():
        return None
    return _checked(field, parse, str(text))


def parse_custom(
    given: AddCustomServer, *, added: float, lan: tuple[Network, ...] = ()
) -> tuple[StoredServer, ServerSecrets]:
    """The server that ``given`` describes; ``added`` is the Unix time. Raises InvalidFieldError with the API's field.

    Empty text counts as not given. Without ``private_key`` a key pair is generated; the server needs
    ``StoredServer.public_key``. Without ``address`` the server is stored but cannot be connected. ``allowed_ips``
    defaults to all traffic. ``lan`` are the networks of the LAN, which must not contain the tunnel's address.
    """
    name = check_name(given.name.strip())
    location = check_location(given.location)
    private_key = _optional("private_key", fields.private_key, given.private_key)
    preshared_key = _optional("preshared_key", fields.preshared_key, given.preshared_key)
    peer = Peer(
        public_key=_checked("public_key", fields.public_key, given.public_key),
        endpoint=_checked("endpoint", fields.endpoint, given.endpoint),
        allowed_ips=_checked("allowed_ips", fields.networks, (given.allowed_ips or "").strip() or ALL_TRAFFIC),
        persistent_keepalive=_optional("persistent_keepalive", fields.keepalive, given.persistent_keepalive) or 0,
        preshared_key=preshared_key,
    )
    dns, domains = _optional("dns", fields.resolvers, given.dns) or ((), ())
    config = TunnelConfig(
        private_key=private_key or keys.generate().private_key,
        addresses=_optional("address", fields.interfaces, given.address) or (),
        peers=(peer,),
        dns=dns,
        mtu=_optional("mtu", fields.mtu, given.mtu),
    )
    try:
        config, warnings = wgconf.check(config, lan=lan, search_domains=domains)
    except wgconf.ContradictionError as error:
        field = _API_FIELDS[error.key]
        raise InvalidFieldError(f"{field}: {error}", field=field) from None
    return split_secrets(
        config,
        name=name,
        provider=CustomProvider.name,
        location=location,
        added=added,
        warnings=tuple(warning.message for warning in warnings),
    )


_API_FIELDS = {
    "Address": "address",
    "Endpoint": "endpoint",
    "PublicKey": "public_key",
    "MTU": "mtu",
    "AllowedIPs": "allowed_ips",
}


class CustomProvider:
    name = "custom"
    title = "Custom servers"
    capabilities = Capabilities(add=True, remove=True)

    def __init__(self, store: Store) -> None:
        self._stored = StoredServers(store, self.name, self.title)

    async def servers(self) -> tuple[Server, ...]:
        return self._stored.all()

    async def tunnel(self, hostname: str) -> TunnelConfig:
        return self._stored.tunnel(hostname)

    def unproven_key(self, hostname: str) -> str | None:
        return self._stored.unproven_key(hostname)

    def client_keys(self, hostname: str) -> ClientKeys | None:
        return self._stored.client_keys(hostname)

    def prove_key(self, public_key: str) -> None:
        self._stored.prove_key(public_key)
