"""Whether an address seen from outside is the VPN's: by the provider's own word, else by its server's addresses (pure).

The provider's word decides where there is one. By the address alone nothing is ever denied: many servers let traffic
out elsewhere than they take it in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from app.addresses import Address
from app.tunnel.exitcheck import Confirm

PREFIXES = {4: 24, 6: 64}  # the network of a provider's server: it often lets out by the next address


def by_address(
    said: Confirm, servers: Collection[Address], *, networks: bool, own: Collection[Address] = ()
) -> Confirm:
    """``said``, and where that says nothing: whether the address is one of ``servers``, or with ``networks`` near one.

    A network that has one of this gateway's ``own`` addresses says nothing.
    """

    def confirm(answer: Mapping[str, Any]) -> bool | None:
        verdict = said(answer)
        if verdict is not None:
            return verdict
        try:
            seen = ip_address(str(answer.get("ip")))
        except ValueError:
            return None
        if seen in own:
            return None
        if seen in servers or (networks and any(_is_near(seen, server, own) for server in servers)):
            return True
        return None

    return confirm


def _is_near(seen: Address, server: Address, own: Collection[Address]) -> bool:
    if seen.version != server.version:
        return False
    network = ip_network((server, PREFIXES[server.version]), strict=False)
    return seen in network and all(a.version != seen.version or a not in network for a in own)
