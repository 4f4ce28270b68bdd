"""The linter: checks that a well-formed configuration makes sense for a whole LAN, with warnings for people."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from app import keys, overlaps
from app.addresses import NOT_INTERNET4, Address, Interface, Network, cover_internet
from app.model import Endpoint, Peer, TunnelConfig
from app.wgconf.fields import MIN_MTU_IPV6
from app.wgconf.types import ConfigWarning, ContradictionError

_PRIVATE: tuple[Network, ...] = (
    *NOT_INTERNET4[1:3],
    *NOT_INTERNET4[4:7],
    ipaddress.IPv6Network("fc00::/7"),
    ipaddress.IPv6Network("fe80::/10"),
)


def within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _overlaps(one: Network, others: Iterable[Network]) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return any(one.overlaps(n) for n in others if isinstance(n, ipaddress.IPv4Network))
    return any(one.overlaps(n) for n in others if isinstance(n, ipaddress.IPv6Network))


def check(
    config: TunnelConfig, *, lan: tuple[Network, ...] = (), search_domains: tuple[str, ...] = ()
) -> tuple[TunnelConfig, tuple[ConfigWarning, ...]]:
    """``config`` as it can be used, with the warnings. Raises :class:`ContradictionError` where it cannot be.

    ``lan`` are the networks of the gateway's LAN. Resolvers that cannot be asked through the tunnel are dropped (those
    in the LAN, those of a family without an address), and a network that two peers claim is left to the last, as in the
    kernel.
    """
    _refuse_contradictions(config, lan)
    warnings: list[ConfigWarning] = []
    peers = list(_settle_claims(config.peers, warnings))
    dns = tuple(_usable_resolvers(config, lan, warnings))
    config = replace(config, peers=tuple(peers), dns=dns)
    if search_domains:
        warnings.append(_warn("search_domain", f"Search domains are not used: {', '.join(search_domains)}", "DNS"))
    if config.listen_port is not None:
        message = "ListenPort is not used: the gateway dials out, from a port that the kernel chooses"
        warnings.append(_warn("not_used", message, "ListenPort"))
    warnings += _about_addresses(config.addresses, lan)
    warnings += _about_peers(config.peers, lan)
    warnings += _about_routes(config)
    warnings += _about_dns(config)
    return config, tuple(warnings)


def _warn(code: str, message: str, key: str | None = None) -> ConfigWarning:
    return ConfigWarning(code=code, message=message, key=key)


def _some(networks: list[Network]) -> str:
    return ", ".join(str(n) for n in networks[:3]) + (", ..." if len(networks) > 3 else "")


def _refuse_contradictions(config: TunnelConfig, lan: tuple[Network, ...]) -> None:
    for clash in overlaps.clashes(_claims(config), overlaps.lan_claims(lan)):
        if clash.stops:
            key = "Endpoint" if clash.second.role is overlaps.Role.ENDPOINT else "Address"
            raise ContradictionError(clash.message, key=key)
    if config.mtu is not None and config.mtu < MIN_MTU_IPV6 and any(a.version == 6 for a in config.addresses):
        raise ContradictionError(
            f"{config.mtu} is too small for the IPv6 address; IPv6 needs {MIN_MTU_IPV6}", key="MTU"
        )
    ours = keys.public_key(config.private_key)
    seen: set[str] = set()
    for place, peer in enumerate(config.peers):
        if peer.public_key == ours:
            raise ContradictionError(
                "this is the public key of the private key given; the server has one of its own",
                key="PublicKey",
                peer=place,
            )
        if peer.public_key in seen:
            raise ContradictionError("two peers have the same public key", key="PublicKey", peer=place)
        seen.add(peer.public_key)
    if not any(peer.allowed_ips for peer in config.peers):
        raise ContradictionError("no network is routed to any peer; nothing could pass", key="AllowedIPs", peer=0)


def _claims(config: TunnelConfig) -> tuple[overlaps.Claim, ...]:
    literals = (_literal(peer.endpoint) for peer in config.peers if peer.endpoint is not None)
    return overlaps.tunnel_claims(config.addresses, (a for a in literals if a is not None))


def _literal(endpoint: Endpoint) -> Address | None:
    try:
        return ipaddress.ip_address(endpoint.host)
    except ValueError:  # a DNS name
        return None


def _settle_claims(peers: tuple[Peer, ...], warnings: list[ConfigWarning]) -> Iterator[Peer]:
    owner = {network: peer.public_key for peer in peers for network in peer.allowed_ips}
    for peer in peers:
        kept = tuple(n for n in peer.allowed_ips if owner[n] == peer.public_key)
        if kept != peer.allowed_ips:
            lost = [n for n in peer.allowed_ips if owner[n] != peer.public_key]
            message = f"{_some(lost)}: routed to two peers; the last one has it, as with wg(8)"
            warnings.append(_warn("claimed_twice", message, "AllowedIPs"))
            peer = replace(peer, allowed_ips=kept)  # noqa: PLW2901
        yield peer


def _usable_resolvers(
    config: TunnelConfig, lan: tuple[Network, ...], warnings: list[ConfigWarning]
) -> Iterator[Address]:
    versions = {a.version for a in config.addresses} or {4, 6}
    for resolver in config.dns:
        if within(resolver, lan):
            warnings.append(_warn("dns_in_lan", f"DNS {resolver} is in this gateway's own LAN and is left out", "DNS"))
        elif resolver.version not in versions:
            message = f"DNS {resolver} is left out: there is no IPv{resolver.version} address in Address"
            warnings.append(_warn("dns_no_address", message, "DNS"))
        else:
            yield resolver


def _about_addresses(addresses: tuple[Interface, ...], lan: tuple[Network, ...]) -> Iterator[ConfigWarning]:
    for interface in addresses:
        if _overlaps(interface.network, lan):
            message = f"The network of {interface} overlaps this gateway's LAN; what is in both is reached in the LAN"
            yield _warn("lan_overlap", message, "Address")
        if interface.network.num_addresses > 2 and interface.ip == interface.network.network_address:
            yield _warn(
                "network_address", f"{interface} is the address of the network itself, not of a host", "Address"
            )


def _is_private(endpoint: Endpoint) -> bool:
    address = _literal(endpoint)
    return address is not None and within(address, _PRIVATE)


def _about_peers(peers: tuple[Peer, ...], lan: tuple[Network, ...]) -> Iterator[ConfigWarning]:
    for peer in peers:
        if peer.endpoint is None:
            message = "A peer has no endpoint; it is used once it has contacted this gateway"
            yield _warn("peer_without_endpoint", message, "Endpoint")
        elif _is_private(peer.endpoint):
            message = f"The endpoint {peer.endpoint} is a private address; it is reached only from its own network"
            yield _warn("private_endpoint", message, "Endpoint")
        if not peer.allowed_ips:
            yield _warn("peer_without_networks", "A peer has no networks routed to it and is never used", "AllowedIPs")
        overlapping = [n for n in peer.allowed_ips if n.prefixlen >= 8 and _overlaps(n, lan)]
        if overlapping:
            message = f"{_some(overlapping)}: this overlaps the gateway's LAN; what is in both is reached in the LAN"
            yield _warn("lan_overlap", message, "AllowedIPs")


def _about_routes(config: TunnelConfig) -> Iterator[ConfigWarning]:
    networks = [n for p in config.peers for n in p.allowed_ips]
    versions = {a.version for a in config.addresses} or {4, 6}
    if not cover_internet(networks, 4) and not cover_internet(networks, 6):
        message = (
            "This is a split tunnel: only the networks in AllowedIPs are reached through it; "
            "all other traffic of the LAN stays blocked"
        )
        yield _warn("split_tunnel", message, "AllowedIPs")
    elif not cover_internet(networks, 4):
        yield _warn("no_ipv4", "AllowedIPs does not hold all of IPv4; the rest of IPv4 stays blocked", "AllowedIPs")
    elif not cover_internet(networks, 6):
        yield _warn("no_ipv6", "AllowedIPs does not hold all of IPv6; the rest of IPv6 stays blocked", "AllowedIPs")
    for version in (4, 6):
        if version not in versions and any(n.version == version for n in networks):
            message = f"There is no IPv{version} address in Address; IPv{version} stays blocked"
            yield _warn(f"no_ipv{version}_address", message, "Address")


def _about_dns(config: TunnelConfig) -> Iterator[ConfigWarning]:
    if not config.dns:
        yield _warn(
            "no_dns", "There is no DNS; the gateway's own choice of resolvers is asked, inside the tunnel", "DNS"
        )
    networks = [n for p in config.peers for n in p.allowed_ips]
    for resolver in config.dns:
        if not within(resolver, networks):
            yield _warn("dns_not_routed", f"DNS {resolver} is not in AllowedIPs; it cannot be reached", "DNS")
