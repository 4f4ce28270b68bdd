"""The observed state of the links: the role of each interface and the WAN's addresses, read from the kernel."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from app import async_files
from app.addresses import Address
from app.model import LanLink, Links, LinkSettings, NetworkPort, WanLink
from app.network import rtnetlink
from app.network.lan_ports import LanPorts
from app.network.links import SYS, LinkState, is_port, read_links, without_canary
from app.network.monitor import link_changes
from app.network.netlink_raw import attributes
from app.network.one_arm import OneArm
from app.network.roles import BRIDGE, Roles, expected, never_one_arm, roles
from app.network.routes import FAMILIES, route_table
from app.portname import usb_place

POLL_INTERVAL = 5.0  # seconds; the name servers are in a file, for which there is no netlink event
DEBOUNCE = 0.1  # seconds

_MAIN = 254
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH = 4, 5, 6, 9
_NEXT_HOP = struct.Struct("=HBBi")  # length, flags, weight less one, interface
_MTU_UNKNOWN = 1492  # of a WAN that is not up yet: PPPoE's (RFC 2516), the smallest MTU of the supported uplinks


async def observe(
    settings: LinkSettings,
    *,
    resolv: Path,
    one_arm: OneArm | None = None,
    lan_ports: LanPorts | None = None,
    last_wan: str | None = None,
) -> Links:
    """The links as they are now.

    ``resolv`` is a file in the format of resolv.conf(5) with the WAN's name servers, ``last_wan`` the last WAN's name.
    """
    if one_arm:
        await one_arm.refresh()
    links = without_canary(read_links())
    ours = links[BRIDGE].index if BRIDGE in links else 0
    found = roles(
        settings,
        [
            one
            for name, link in links.items()
            if (is_port(link) or link.radio) and not (ours and link.master not in {0, ours})
            if (one := port(name, link)) is not None
        ],
        others=[name for name, link in links.items() if not (is_port(link) or link.radio)],
        in_bridge=frozenset(name for name, link in links.items() if link.master),
        lan_ports=lan_ports.ports if lan_ports else frozenset(),
        one_arm=one_arm.allowed if one_arm else never_one_arm,
    )
    if one_arm:
        await one_arm.remember()
    if lan_ports and found.bridge and found.wan is not None:
        await lan_ports.remember(frozenset(found.bridge.ports))
    wan = _wan(found, links, await nameservers(resolv)) if found.wan is not None else None
    lan = tuple(LanLink(n, links[n].mtu) for n in found.lan)
    return Links(
        wan,
        lan,
        found.bridge,
        found.ports,
        found.problem,
        expected(settings, links, last_wan) if wan is None else None,
    )


def _wan(found: Roles, links: Mapping[str, LinkState], servers: tuple[Address, ...]) -> WanLink:
    assert found.wan is not None
    state = links.get(found.wan)
    if state is None:
        return WanLink(found.wan, mtu=_MTU_UNKNOWN, nameservers=servers, port=found.carrier)
    gateways = _gateways(state)
    four, six = gateways.get(4), gateways.get(6)
    usable = [a for a in state.addresses if not a.is_link_local]  # a link-local address leads nowhere else
    return WanLink(
        name=found.wan,
        up=state.up and state.carrier,
        mtu=state.mtu,
        addresses=tuple(sorted(usable, key=lambda a: (a.version, int(a.ip), a.network.prefixlen))),
        gateway4=four if isinstance(four, IPv4Address) else None,
        gateway6=six if isinstance(six, IPv6Address) else None,
        nameservers=servers,
        port=found.carrier,
    )


def port(name: str, link: LinkState) -> NetworkPort | None:
    """``link`` as a port, with its driver and its place on the USB from /sys; None where its name is another by now.

    udev renames a port that was just plugged in. Without the driver of the name that it had, a phone would pass for an
    adapter, and be the LAN's for a moment.
    """
    device = SYS / name / "device"
    driver = device / "driver"
    found = NetworkPort(
        name,
        mac=link.mac,
        driver=driver.resolve().name if driver.exists() else None,
        usb=usb_place(str(device.resolve())) if device.exists() else None,
        radio=link.radio,
        carrier=link.carrier,
    )
    return found if _is_called(link.index, name) else None


def _is_called(index: int, name: str) -> bool:
    try:
        return socket.if_indextoname(index) == name
    except OSError:  # it has just gone
        return False


def _gateways(link: LinkState) -> dict[int, Address]:
    """The best default route's gateway in main over the link, by IP version.

    A route over a point-to-point link needs none: the other end is the router.
    """
    found: dict[int, tuple[int, Address]] = {}
    for version, family in FAMILIES.items():
        for raw in rtnetlink.dump(rtnetlink.GET_ROUTE, family):
            if rtnetlink.ROUTE.unpack_from(raw)[1] != 0 or route_table(raw)[0] != _MAIN:
                continue
            attrs = attributes(raw[rtnetlink.ROUTE.size :])
            metric = rtnetlink.number(attrs.get(_RTA_PRIORITY, b""))
            for oif, named in _hops(attrs):
                gateway = named or (ip_address(link.peer) if version == 4 and link.peer else None)
                if gateway and oif == link.index and (version not in found or metric < found[version][0]):
                    found[version] = (metric, gateway)
    return {version: gateway for version, (_, gateway) in found.items()}


def _hops(attrs: Mapping[int, bytes]) -> Iterator[tuple[int, Address | None]]:
    """(interface, gateway) of a route: its own, or those of each next hop of a multipath route."""
    hops = attrs.get(_RTA_MULTIPATH)
    if hops is None:
        yield rtnetlink.number(attrs.get(_RTA_OIF, b"")), _gateway(attrs)
        return
    while len(hops) >= _NEXT_HOP.size:
        length, _, _, oif = _NEXT_HOP.unpack_from(hops)
        if not _NEXT_HOP.size <= length <= len(hops):
            return
        yield oif, _gateway(attributes(hops[_NEXT_HOP.size : length]))
        hops = hops[(length + 3) & ~3 :]


def _gateway(attrs: Mapping[int, bytes]) -> Address | None:
    return rtnetlink.address(attrs[_RTA_GATEWAY]) if _RTA_GATEWAY in attrs else None


async def nameservers(path: Path) -> tuple[Address, ...]:
    """The name servers listed in ``path``; none where it cannot be read.

    Left out are a resolver on this machine, which is not the WAN's, and link-local addresses, which the firewall's
    rules cannot match.
    """
    try:
        lines = (await async_files.read_text(path)).splitlines()
    except OSError:
        return ()
    found: list[Address] = []
    for line in lines:
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            address = ip_address(words[1])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast):
            found.append(address)
    return tuple(dict.fromkeys(found))


async def watch_links() -> AsyncIterator[None]:
    """Yield when the links may have changed, and every few seconds. Raises OSError."""
    events = link_changes()
    try:
        while True:
            await events.wait(POLL_INTERVAL, DEBOUNCE)
            yield
    finally:
        events.close()
