"""The renderer: a configuration in wg-quick(8)'s format."""

from __future__ import annotations

from collections.abc import Iterator

from app.model import Peer, TunnelConfig


def format_config(config: TunnelConfig) -> str:
    """The .conf that :func:`app.wgconf.parse` reads back as an equal configuration. It holds the private key."""
    return "\n".join(_lines(config)) + "\n"


def _lines(config: TunnelConfig) -> Iterator[str]:
    yield "[Interface]"
    yield f"PrivateKey = {config.private_key.reveal()}"
    if config.addresses:
        yield f"Address = {', '.join(map(str, config.addresses))}"
    if config.dns:
        yield f"DNS = {', '.join(map(str, config.dns))}"
    if config.mtu is not None:
        yield f"MTU = {config.mtu}"
    if config.listen_port is not None:
        yield f"ListenPort = {config.listen_port}"
    for peer in config.peers:
        yield ""
        yield from _peer_lines(peer)


def _peer_lines(peer: Peer) -> Iterator[str]:
    yield "[Peer]"
    yield f"PublicKey = {peer.public_key}"
    if peer.preshared_key is not None:
        yield f"PresharedKey = {peer.preshared_key.reveal()}"
    if peer.allowed_ips:
        yield f"AllowedIPs = {', '.join(map(str, peer.allowed_ips))}"
    if peer.endpoint is not None:
        yield f"Endpoint = {peer.endpoint}"
    if peer.persistent_keepalive:
        yield f"PersistentKeepalive = {peer.persistent_keepalive}"
