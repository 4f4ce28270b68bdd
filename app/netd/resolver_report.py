"""What is wrong with the resolvers of an exit, for people: what, why, and what happens instead (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from app.addresses import Address
from app.network.resolvers import Obstacle, ResolverChoice

_OBSTACLES: dict[Obstacle, str] = {
    "lan": "lies in this gateway's own LAN, and is not asked through the tunnel",
    "not_routed": "lies outside the networks of the tunnel (AllowedIPs), and cannot be asked through it",
    "own_address": "is the tunnel's own address",
}


def describe(choice: ResolverChoice, silent: Collection[Address]) -> str | None:
    """The fault of the resolvers; None where each that the server names can be asked and answers."""
    parts = list(_faults(choice, silent))
    working = [str(a) for a in choice.order if a not in silent]
    if not parts and working:
        return None
    if not working:
        parts.append(_nothing(choice))
    elif not any(a in choice.own for a in choice.order if a not in silent):
        parts.append(f"names are looked up by {', '.join(working)} (fallback_dns) instead, inside the tunnel")
    else:
        parts.append(f"names are looked up by {', '.join(working)}")
    return "; ".join(parts)


def _faults(choice: ResolverChoice, silent: Collection[Address]) -> Iterator[str]:
    for address, why in choice.unusable:
        yield f"the resolver {address} {_OBSTACLES[why]}"
    for address in choice.order:
        if address in silent:
            yield f"the resolver {address} does not answer"


def _nothing(choice: ResolverChoice) -> str:
    if choice.order:
        return "no name can be looked up until one answers; it is tried again every few seconds"
    return (
        "no name can be looked up: name a resolver within the tunnel's networks in the server's configuration, "
        "or in fallback_dns"
    )
