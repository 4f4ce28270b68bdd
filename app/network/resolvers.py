"""The resolvers of a tunnel: which can be reached through it, and which are asked, in which order (pure).

A resolver in the LAN's network, or outside the tunnel's routes, would be asked somewhere else or nowhere. Where a
server names no other, the settings' ``fallback_dns`` takes its place, inside the tunnel as well.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from msgspec import Struct

from app.addresses import Address, Interface, Network, is_routable
from app.network.plan import TunnelPlan

Obstacle = Literal["lan", "not_routed", "own_address"]


class Answer(enum.Enum):
    """The answer of a resolver to a query that every resolver can answer."""

    GOOD = enum.auto()
    FAILING = enum.auto()  # an error: dnsmasq asks the next one at once
    SILENT = enum.auto()


class ResolverChoice(Struct, frozen=True):
    """The resolvers of one tunnel."""

    own: tuple[Address, ...] = ()  # named by the server, and reachable
    spare: tuple[Address, ...] = ()  # the fallback's, as far as it is reachable
    order: tuple[Address, ...] = ()  # those in use; the first is asked first
    unusable: tuple[tuple[Address, Obstacle], ...] = ()  # named by the server


def obstacle(
    address: Address, addresses: Iterable[Interface], routes: Iterable[Network], local: Iterable[Network]
) -> Obstacle | None:
    """The reason why ``address`` cannot be asked through a tunnel with ``addresses`` and ``routes``.

    ``local`` are the LAN's networks, which are reached in the LAN whatever a tunnel's routes say.
    """
    if any(within(address, n) for n in local):
        return "lan"
    if any(address == a.ip for a in addresses):
        return "own_address"
    if not is_routable(address) or not any(within(address, n) for n in routes):
        return "not_routed"
    return None


def choose(
    plan: TunnelPlan, fallback: Iterable[Address], local: tuple[Network, ...], answers: Mapping[Address, Answer]
) -> ResolverChoice:
    """The resolvers of ``plan``. One that has not been asked yet counts as good, except the fallback's.

    The server's own order is an order of preference, so that a resolver that answers keeps its place; those that do not
    follow. The fallback is in use where the server has no resolver that can be reached, or none that answers while the
    fallback is known to.
    """
    families = {a.version for a in plan.addresses}
    routes = tuple(n for n in plan.routes if n.version in families)

    def found(address: Address) -> Obstacle | None:
        return obstacle(address, plan.addresses, routes, local)

    named = tuple(dict.fromkeys(plan.dns))
    own = tuple(a for a in named if found(a) is None)
    spare = tuple(a for a in dict.fromkeys(fallback) if a not in named and found(a) is None)
    used = own or spare
    by_answer = {kind: tuple(a for a in used if answers.get(a, Answer.GOOD) is kind) for kind in Answer}
    proven = () if by_answer[Answer.GOOD] else tuple(a for a in spare if answers.get(a) is Answer.GOOD)
    order = by_answer[Answer.GOOD] + by_answer[Answer.FAILING] + proven + by_answer[Answer.SILENT]
    unusable: list[tuple[Address, Obstacle]] = []
    for address in named:
        why = found(address)
        if why is not None:
            unusable.append((address, why))
    return ResolverChoice(own, spare, tuple(dict.fromkeys(order)), tuple(unusable))


def within(address: Address, network: Network) -> bool:
    if isinstance(address, IPv4Address):
        return isinstance(network, IPv4Network) and address in network
    return isinstance(network, IPv6Network) and IPv6Address(int(address)) in network
