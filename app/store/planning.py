"""The last step of every judgement of settings: the network is planned, with each stored server as active (pure).

What cannot be planned is not stored. The WAN and the ports are made up, since those of the next start are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from app import overlaps
from app.addresses import Address, collapse
from app.admission import default_policy
from app.errors import InvalidFieldError
from app.model import LanLink, Links, Settings, StoredServer, WanLink
from app.network.plan import MAX_EXITS, ExitPlan, PlanInput, TransportPeer, TunnelPlan
from app.network.planner import plan
from app.policies import planned

_WAN = WanLink(
    "wan",
    up=True,
    addresses=(ip_interface("192.0.2.2/24"), ip_interface("2001:db8::2/64")),
    gateway4=IPv4Address("192.0.2.1"),
    gateway6=IPv6Address("fe80::1"),
)
_LINKS = Links(_WAN, (LanLink("lan"),))
_NAMED = IPv4Address("192.0.2.51")  # in place of an endpoint's host name
_MTU = 1420
_ANY_TIME = 0.0  # what a schedule gives at another one can be planned as well


def check_plan(settings: Settings, servers: Sequence[StoredServer] = ()) -> None:
    """Plan the network of ``settings``, once with every exit down and then with each server. Raises InvalidFieldError.

    Several servers share a plan, each as the tunnel of an exit, because a plan takes milliseconds.
    """
    _plan(settings, ())
    for start in range(0, len(servers), MAX_EXITS):
        some = servers[start : start + MAX_EXITS]
        try:
            _plan(settings, some)
        except InvalidFieldError:
            for server in some:
                _check_server(settings, server)
            raise


def _check_server(settings: Settings, server: StoredServer) -> None:
    try:
        _plan(settings, (server,))
    except InvalidFieldError as error:
        raise InvalidFieldError(f"servers.{server.name}: {error.message}", field=f"servers.{server.name}") from None


def _plan(settings: Settings, servers: Sequence[StoredServer]) -> None:
    names = [name or f"another {n}" for n, name in enumerate(settings.exits)]
    names += (f"another {n}" for n in range(len(names), MAX_EXITS))
    active = {number: _tunnel(server) for number, server in enumerate(servers)}
    exits = tuple(ExitPlan(name, number, active.get(number)) for number, name in enumerate(names))
    devices = planned(settings, _ANY_TIME).devices
    plan(PlanInput(_LINKS, settings.lan, exits, default_policy(settings), devices, flowtable=True))


def _tunnel(server: StoredServer) -> TunnelPlan:
    return TunnelPlan(
        slot="a",
        addresses=server.addresses,
        mtu=server.mtu or _MTU,
        transport=tuple(
            TransportPeer(_literal(peer.endpoint.host) or _NAMED, peer.endpoint.port)
            for peer in server.peers
            if peer.endpoint is not None
        ),
        routes=collapse(network for peer in server.peers for network in peer.allowed_ips),
        dns=server.dns,
    )


def check_overlaps(settings: Settings, servers: Sequence[StoredServer], before: Settings | None = None) -> None:
    """Check that no server is at odds with the gateway's own networks, or not more of them than with ``before``.

    Raises InvalidFieldError (``lan.address``).
    """
    known = {name for name, _ in _overlapping(before, servers)} if before is not None else set[str]()
    for name, message in _overlapping(settings, servers):
        if name not in known:
            raise InvalidFieldError(f"lan.address: {message}", field="lan.address")


def overlapping(settings: Settings, servers: Sequence[StoredServer]) -> Iterator[str]:
    """The servers that the gateway's own networks keep from being used, each with the reason and what helps."""
    yield from (message for _, message in _overlapping(settings, servers))


def _overlapping(settings: Settings, servers: Sequence[StoredServer]) -> Iterator[tuple[str, str]]:
    own = overlaps.lan_claims(settings.lan.networks)
    for server in servers:
        hosts = (_literal(peer.endpoint.host) for peer in server.peers if peer.endpoint is not None)
        claims = overlaps.tunnel_claims(server.addresses, (host for host in hosts if host is not None))
        clash = next((clash for clash in overlaps.clashes(claims, own) if clash.stops), None)
        if clash is not None:
            yield server.name, f'server "{server.name}": {clash.message}'


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:  # a DNS name
        return None
