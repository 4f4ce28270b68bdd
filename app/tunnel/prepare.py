"""The preparation of a tunnel: a server's configuration becomes a ``TunnelPlan`` and a ``DeviceConfig`` (pure).

The planner uses the first, WireGuard the second. The caller has resolved all names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from app import keys
from app.addresses import Address, collapse, cover_internet
from app.errors import ConflictError
from app.model import Peer, TunnelConfig, WanLink
from app.network.plan import MARK_TRANSPORT, Slot, TransportPeer, TunnelPlan
from app.network.wireguard.types import DeviceConfig, PeerConfig
from app.tunnel.dialable import OwnAddresses
from app.tunnel.mtu import route_mtu
from app.tunnel.probe_targets import probe_targets
from app.tunnel.states import Target, Tunnel

KEEPALIVE = 25  # seconds; the default, because the gateway is behind the router's NAT

_NONE: Mapping[Address, int] = {}
_NOBODY = OwnAddresses()


def primary_peer(config: TunnelConfig) -> Peer:
    """The peer whose handshake means "connected": one that carries the Internet, otherwise the first with an endpoint.

    Raises ConflictError where no peer can be dialled.
    """
    dialled = [p for p in config.peers if p.endpoint is not None]
    if not dialled:
        raise ConflictError("no peer of this server has an endpoint to connect to", field="server")
    return next((p for p in dialled if any(cover_internet(p.allowed_ips, f) for f in (4, 6))), dialled[0])


def choose_address(addresses: Sequence[Address], wan: WanLink, silent: Mapping[Address, int] = _NONE) -> Address:
    """The address to dial on this WAN: one of a family that the WAN can reach, IPv4 first.

    ``silent`` counts the attempts on which an address gave no handshake: the least tried comes first, so that all are
    gone through over the attempts.
    """

    def reachable(address: Address) -> bool:
        gateway = wan.gateway4 if isinstance(address, IPv4Address) else wan.gateway6
        return gateway is not None or any(a.version == address.version and address in a.network for a in wan.addresses)

    return min(addresses, key=lambda a: (not reachable(a), silent.get(a, 0), a.version))


def prepare(
    target: Target,
    config: TunnelConfig,
    slot: Slot,
    wan: WanLink,
    resolved: Mapping[str, list[Address]],
    fallback_dns: tuple[Address, ...],
    location: str | None,
    *,
    own: OwnAddresses = _NOBODY,
    silent: Mapping[Address, int] = _NONE,
) -> tuple[Tunnel, DeviceConfig]:
    """The tunnel and its WireGuard configuration. ``resolved`` has one or more addresses for every endpoint's host.

    ``own`` are addresses that are not reached through the tunnel; ``silent`` is as in :func:`choose_address`.
    """
    transport: dict[str, TransportPeer] = {}
    peers: list[PeerConfig] = []
    for peer in config.peers:
        endpoint = None
        if peer.endpoint is not None:
            endpoint = (choose_address(resolved[peer.endpoint.host], wan, silent), peer.endpoint.port)
            transport[peer.public_key] = TransportPeer(*endpoint)
        peers.append(
            PeerConfig(
                public_key=peer.public_key,
                preshared_key=peer.preshared_key,
                endpoint=endpoint,
                allowed_ips=peer.allowed_ips,
                persistent_keepalive=peer.persistent_keepalive or KEEPALIVE,
            )
        )
    families = {a.version for a in config.addresses}
    routes = tuple(n for n in collapse(tuple(n for p in config.peers for n in p.allowed_ips)) if n.version in families)
    plan = TunnelPlan(
        slot=slot,
        addresses=config.addresses,
        mtu=config.mtu or route_mtu(wan.mtu),
        transport=tuple(dict.fromkeys(transport.values())),
        routes=routes,
        dns=tuple(a for a in config.dns or fallback_dns if a.version in families),
    )
    device = DeviceConfig(
        private_key=config.private_key,
        fwmark=MARK_TRANSPORT,
        listen_port=None,  # the kernel chooses, since two slots may be up at once
        peers=tuple(peers),
    )
    key = primary_peer(config).public_key
    probes = probe_targets(config, plan.dns, own)
    origin = "server" if config.mtu else "route"
    tunnel = Tunnel(
        target,
        plan,
        key,
        transport[key],
        location,
        probes,
        config.mtu,
        origin,
        own_key=keys.public_key(config.private_key),
        key_exchange=config.key_exchange,
    )
    return tunnel, device
