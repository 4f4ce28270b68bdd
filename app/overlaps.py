"""The one judge of networks and addresses that overlap: LAN, WAN, tunnels, endpoints, resolvers, stand-ins (pure).

Whoever takes a value asks here: a lease of the WAN, a tunnel before it is made, a setting, a file, a backup. The
judgement of every pair of roles is in ``PAIRS`` or, with the reason, in ``HARMLESS``; a test finds a pair without one.

A clash with the gateway's own settings (the LAN, the stand-ins) is refused when the value is taken. A clash with the
present WAN is found when the value is used, because the next WAN may be another one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from itertools import combinations, product

from msgspec import Struct

from app.addresses import Address, Interface, Network
from app.lan import RESOLVERS4, RESOLVERS6
from app.model import WanLink


class Role(enum.StrEnum):
    """The use of an address or network, in words for people."""

    LAN = "this gateway's own LAN"
    STAND_IN = "the network of this gateway's own resolvers"
    WAN_ADDRESS = "the WAN's own address"
    ROUTER = "your router's address"
    NAME_SERVER = "your router's name server"
    TUNNEL_ADDRESS = "the tunnel's address"
    ENDPOINT = "the VPN server's address"
    RESOLVER = "the tunnel's resolver"


class Claim(Struct, frozen=True):
    """One use of a network; a single address is a network of one address. ``owner`` tells tunnels apart."""

    role: Role
    network: Network
    owner: str = ""

    def __str__(self) -> str:
        one = self.network.num_addresses == 1
        whose = f" of exit {self.owner}" if self.owner else ""
        return f"{self.role.value} {self.network.network_address if one else self.network}{whose}"


class Rule(Struct, frozen=True):
    """The judgement of an overlap: does it stop the WAN or tunnel, or only a part of it; why; and what helps."""

    stops: bool
    why: str
    remedy: str


class Clash(Struct, frozen=True):
    """An overlap that does harm. ``message`` says what overlaps, why that does harm, and what to do next."""

    first: Claim
    second: Claim
    stops: bool
    message: str


_MOVE_LAN = (
    "give the LAN another network, with lan_address in the section [network] of gateway.toml, such as {free_lan}"
)
_OTHER_SERVER = "connect to another server"
_OTHER_ROUTER = f"{_OTHER_SERVER}, or give your router another network"
_LOST_IN_LAN = "what is sent there stays in the LAN"
_OWN = "this gateway would take what is sent there for its own"

# The verdicts, each under the roles in the order of Role. Measured in the lab where they are not plain from routing.
PAIRS: dict[tuple[Role, Role], Rule] = {
    (Role.LAN, Role.STAND_IN): Rule(True, "names could not be looked up", _MOVE_LAN),
    (Role.LAN, Role.WAN_ADDRESS): Rule(True, "answers from the Internet would be taken for the LAN's", _MOVE_LAN),
    (Role.LAN, Role.ROUTER): Rule(True, "what is sent to your router would stay in the LAN", _MOVE_LAN),
    (Role.LAN, Role.NAME_SERVER): Rule(False, "it cannot be asked", _MOVE_LAN),
    (Role.LAN, Role.TUNNEL_ADDRESS): Rule(True, _OWN, _MOVE_LAN),
    (Role.LAN, Role.ENDPOINT): Rule(True, _LOST_IN_LAN, f"{_OTHER_SERVER}, or {_MOVE_LAN}"),
    (Role.LAN, Role.RESOLVER): Rule(False, "it cannot be asked through the tunnel", _MOVE_LAN),
    (Role.STAND_IN, Role.WAN_ADDRESS): Rule(False, "names may not be looked up", "give your router another network"),
    (Role.STAND_IN, Role.NAME_SERVER): Rule(False, "it cannot be asked", "give your router another network"),
    (Role.STAND_IN, Role.TUNNEL_ADDRESS): Rule(True, "names could not be looked up", _OTHER_SERVER),
    (Role.STAND_IN, Role.ENDPOINT): Rule(True, "nothing is ever sent there", _OTHER_SERVER),
    (Role.STAND_IN, Role.RESOLVER): Rule(False, "it cannot be asked", "name another resolver"),
    (Role.WAN_ADDRESS, Role.NAME_SERVER): Rule(False, _OWN, "correct the name servers that your router gives out"),
    (Role.WAN_ADDRESS, Role.ENDPOINT): Rule(True, _OWN, _OTHER_ROUTER),
    (Role.WAN_ADDRESS, Role.RESOLVER): Rule(False, _OWN, "name another resolver, or give your router another network"),
    # The kernel sets no default route by way of an own address: the next renewal of the lease would lose it.
    (Role.ROUTER, Role.TUNNEL_ADDRESS): Rule(True, "your router would no longer be reached", _OTHER_ROUTER),
    (Role.NAME_SERVER, Role.TUNNEL_ADDRESS): Rule(True, "it would no longer be reached", _OTHER_ROUTER),
    # An own address is local: an exit whose server has it carried nothing while the other tunnel was up.
    (Role.TUNNEL_ADDRESS, Role.ENDPOINT): Rule(True, _OWN, _OTHER_SERVER),
    (Role.TUNNEL_ADDRESS, Role.RESOLVER): Rule(False, _OWN, "name another resolver"),
}

HARMLESS: dict[tuple[Role, Role], str] = {
    (Role.LAN, Role.LAN): "there is one LAN, of one network in each family",
    (Role.STAND_IN, Role.STAND_IN): "they are constants",
    (Role.STAND_IN, Role.ROUTER): "no packet is addressed to a router",
    (Role.WAN_ADDRESS, Role.WAN_ADDRESS): "one interface has them",
    (Role.WAN_ADDRESS, Role.ROUTER): "a point-to-point link may number both ends alike",
    # All NordVPN keys have 10.5.0.2, Proton's 10.2.0.2: a hotel's first lease may be the same. They are on different
    # links, and the ruleset knows what may come from the WAN: app.network.ruleset.sources.
    (Role.WAN_ADDRESS, Role.TUNNEL_ADDRESS): "they are on different links",
    (Role.ROUTER, Role.ROUTER): "there is one in each family",
    (Role.ROUTER, Role.NAME_SERVER): "most routers are both",
    (Role.ROUTER, Role.ENDPOINT): "a VPN server may run on the router",
    (Role.ROUTER, Role.RESOLVER): "packets of an exit are routed by its mark and not by main",
    (Role.NAME_SERVER, Role.NAME_SERVER): "two questions to one server",
    (Role.NAME_SERVER, Role.ENDPOINT): "different ports of one host",
    (Role.NAME_SERVER, Role.RESOLVER): "the same public resolver, asked on two paths",
    (Role.TUNNEL_ADDRESS, Role.TUNNEL_ADDRESS): "rules name interface and address: an account may have one address",
    (Role.ENDPOINT, Role.ENDPOINT): "two tunnels may go to one server",
    (Role.ENDPOINT, Role.RESOLVER): "packets of WireGuard are routed by their mark",
    (Role.RESOLVER, Role.RESOLVER): "two questions to one resolver",
}

STAND_INS = (Claim(Role.STAND_IN, RESOLVERS4), Claim(Role.STAND_IN, RESOLVERS6))
_FREE_LANS = tuple(
    IPv4Interface(text)
    for text in (*(f"192.168.{n}.1/24" for n in range(77, 100)), "10.77.77.1/24", "172.29.77.1/24", "172.22.77.1/24")
)


def lan_claims(lan: Iterable[Network]) -> tuple[Claim, ...]:
    """The claims of the gateway's own networks: ``lan`` and the stand-ins for its resolvers."""
    return (*(Claim(Role.LAN, network) for network in lan), *STAND_INS)


def wan_claims(wan: WanLink | None) -> tuple[Claim, ...]:
    """The claims of the WAN. Its network is none: only a host in both networks is out of reach, the WAN works."""
    if wan is None:
        return ()
    return (
        *_hosts(Role.WAN_ADDRESS, (a.ip for a in wan.addresses)),
        *_hosts(Role.ROUTER, (a for a in (wan.gateway4, wan.gateway6) if a is not None)),
        *_hosts(Role.NAME_SERVER, wan.nameservers),
    )


def tunnel_claims(
    addresses: Iterable[Interface], endpoints: Iterable[Address], resolvers: Iterable[Address] = (), owner: str = ""
) -> tuple[Claim, ...]:
    """The claims of a tunnel. What its allowed IPs overlap is no clash: those routes are for its exit's packets."""
    return (
        *_hosts(Role.TUNNEL_ADDRESS, (a.ip for a in addresses), owner),
        *_hosts(Role.ENDPOINT, endpoints, owner),
        *_hosts(Role.RESOLVER, resolvers, owner),
    )


def _hosts(role: Role, addresses: Iterable[Address], owner: str = "") -> Iterator[Claim]:
    for address in addresses:
        if not address.is_link_local:  # it is unique on its own link only
            yield Claim(role, host_network(address), owner)


def host_network(address: Address) -> Network:
    """The network of this address alone; a zone (RFC 4007) is left out."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(int(address))


def clashes(subject: Iterable[Claim], others: Iterable[Claim]) -> tuple[Clash, ...]:
    """The clashes within ``subject`` and with ``others``, those that stop it first."""
    mine, all_others = tuple(subject), tuple(others)
    taken = tuple(c.network for c in (*mine, *all_others))
    found = (_judge(a, b, taken) for a, b in (*product(mine, all_others), *combinations(mine, 2)))
    return tuple(sorted((clash for clash in found if clash), key=lambda clash: not clash.stops))


def _judge(a: Claim, b: Claim, taken: tuple[Network, ...]) -> Clash | None:
    first, second = sorted((a, b), key=lambda claim: _ORDER[claim.role])
    rule = PAIRS.get((first.role, second.role))
    if rule is None or not _overlap(first.network, second.network):
        return None
    remedy = rule.remedy.format(free_lan=free_lan(taken))
    relation = "is" if first.network.num_addresses == 1 else "is in"
    return Clash(first, second, rule.stops, f"{second} {relation} {first}: {rule.why}. To mend it, {remedy}")


_ORDER = {role: number for number, role in enumerate(Role)}


def free_lan(taken: Iterable[Network]) -> IPv4Interface:
    """A LAN that overlaps none of ``taken``, or the last that was tried."""
    used = tuple(taken)
    return next((lan for lan in _FREE_LANS if not any(_overlap(lan.network, n) for n in used)), _FREE_LANS[-1])


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
