"""The addresses that a tunnel is probed at: WireGuard sends only what AllowedIPs give to a peer (pure).

Any address in a peer's networks will do. The peer acknowledges what it receives within 10 s (whitepaper, section 6.5),
also where no host has that address; one that answers by itself is only quicker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

from app.addresses import Address, Network, is_routable
from app.model import TunnelConfig
from app.tunnel.dialable import OwnAddresses

MAX_TARGETS = 4
# a.root-servers.net, for a tunnel that carries the Internet and has no resolver: the probe asks what it knows.
ROOT_SERVERS: tuple[Address, ...] = (IPv4Address("198.41.0.4"), IPv6Address("2001:503:ba3e::2:30"))


def probe_targets(config: TunnelConfig, resolvers: Sequence[Address], own: OwnAddresses) -> tuple[Address, ...]:
    """The addresses to probe, of every peer that is dialled, so that one dead peer of several is not all of them.

    ``resolvers`` inside a peer's networks come first.
    """
    ours = own.addresses | {a.ip for a in config.addresses}
    families = {a.version for a in config.addresses}

    def usable(address: Address) -> bool:
        return address not in ours and is_routable(address) and not _within(address, own.networks)

    by_peer: list[list[Address]] = []
    for peer in config.peers:
        networks = [n for n in peer.allowed_ips if n.version in families]
        if peer.endpoint is None or not networks:
            continue
        known = [a for a in (*resolvers, *ROOT_SERVERS) if _within(a, networks) and usable(a)]
        asked = [a for a in known if a not in ROOT_SERVERS or a in resolvers] or known
        by_peer.append(asked or [a for a in _hosts(networks) if usable(a)][:1])
    # The first of every peer, then the second: none is cut off by another's many resolvers.
    longest = max((len(targets) for targets in by_peer), default=0)
    turns = (targets[n] for n in range(longest) for targets in by_peer if n < len(targets))
    return tuple(dict.fromkeys(turns))[:MAX_TARGETS]


def _hosts(networks: Sequence[Network]) -> Iterator[Address]:
    """Likely hosts, of the smallest network first: its first addresses, where routers are."""
    for network in sorted(networks, key=lambda n: n.max_prefixlen - n.prefixlen):
        first = 0 if network.num_addresses <= 2 else 1
        for offset in range(first, min(network.num_addresses, first + 2)):
            yield network[offset]


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == n.version and address in n for n in networks)
