"""The WireGuard configuration that AirVPN's generator writes for a device: the same for every server (pure)."""

from __future__ import annotations

from msgspec import Struct

from app import wgconf
from app.addresses import Address, Interface
from app.model import Peer, Secret
from app.providers.airvpn_relays import SERVER_KEY, TITLE
from app.providers.dialling import ALL_TRAFFIC, V4_ONLY
from app.providers.errors import BadAnswerError


class DeviceConfig(Struct, frozen=True):
    """The keys and addresses of one of the account's devices."""

    private_key: Secret
    preshared_key: Secret | None
    addresses: tuple[Interface, ...]
    dns: tuple[Address, ...] = ()
    server_key: str = SERVER_KEY


def parse(data: bytes) -> DeviceConfig:
    """The device in the .conf file ``data``. Raises BadAnswerError, which shows nothing of the file."""
    try:
        found = wgconf.parse(data).config
    except wgconf.ConfigError as error:
        where = f" (line {error.line})" if error.line is not None else ""
        raise BadAnswerError(f"{TITLE} sent a WireGuard configuration that cannot be used{where}") from None
    if len(found.peers) != 1 or not found.addresses:
        raise BadAnswerError(f"{TITLE} sent a WireGuard configuration without a server or an address")
    (peer,) = found.peers
    return DeviceConfig(found.private_key, peer.preshared_key, found.addresses, found.dns, peer.public_key)


def complete_peer(
    peer: Peer, preshared_key: Secret | None, addresses: tuple[Interface, ...], server_key: str = SERVER_KEY
) -> Peer:
    """``peer``, a server of the list, with what it needs to accept a device with these keys and addresses."""
    allowed = ALL_TRAFFIC if any(a.version == 6 for a in addresses) else V4_ONLY
    return Peer(
        public_key=server_key,
        endpoint=peer.endpoint,
        allowed_ips=allowed,
        persistent_keepalive=peer.persistent_keepalive,
        preshared_key=preshared_key,
    )
