"""Which interface has which role, and what the WAN has been given: read from the kernel, never written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from app.addresses import Address
from app.model import LanLink, Links, LinkSettings, WanLink
from app.network.links import LinkState, read_links
from app.network.monitor import link_changes
from app.network.netlink import open_netlink
from app.network.onearm import OneArm
from app.network.routes import FAMILIES

BRIDGE = "br-lan"
POLL = 5.0  # seconds; the name servers are a file, of which no netlink event tells
DEBOUNCE = 0.1  # seconds

_SYS = Path("/sys/class/net")
_MAIN = 254


def _never(single: bool) -> bool:  # noqa: ARG001
    return False


def roles(
    settings: LinkSettings,
    links: Mapping[str, LinkState],
    *,
    plugged: frozenset[str] = frozenset(),
    one_arm: Callable[[bool], bool] = _never,
) -> tuple[str | None, tuple[str, ...]]:
    """(WAN, LANs) among ``links`` (pure).

    What the settings name; else the WAN is the port called ``wan...``, or the first wired one, those on the board
    before the ``plugged`` ones; and the LAN is the bridge ``br-lan`` where there is one, or all other wired ports.
    Where the settings name none, ``one_arm`` is told whether there is a single port, and answers whether it is to be
    the LAN's as well.
    """
    wired = [name for name in links if _wired(name, links[name])]
    ports = [name for name in wired if not links[name].master]
    wan = settings.wan
    if wan is None:
        named = [n for n in ports if n.startswith("wan")]
        others = [n for n in ports if not n.startswith("lan")]
        wan = min(named or others, key=lambda n: (n in plugged, n), default=None)
    lan = settings.lan
    if lan is None:
        lan = (BRIDGE,) if BRIDGE in links else tuple(sorted(n for n in ports if n != wan))
        if settings.wan is None and wan is not None:
            bridged = any(link.master for link in links.values())  # wired ports, or an access point's radio
            if one_arm(len(wired) == 1 and not bridged):
                lan = (wan,)
    return (wan if wan in links else None), tuple(n for n in lan if n in links)


def _wired(name: str, link: LinkState) -> bool:
    """Hardware, or a virtual machine's or namespace's cable; not Wi-Fi."""
    return link.ethernet and link.kind in {None, "veth"} and not (_SYS / name / "phy80211").exists()


def _plugged(names: Mapping[str, LinkState]) -> frozenset[str]:
    return frozenset(name for name in names if "/usb" in str((_SYS / name / "device").resolve()))


async def observe(settings: LinkSettings, *, resolv: Path, one_arm: OneArm | None = None) -> Links:
    """The links as they are now. ``resolv`` is the WAN's name servers in the form of resolv.conf(5)."""
    may = one_arm.allowed if one_arm else _never
    async with open_netlink() as ip:
        links = await read_links(ip)
        wan_name, lan_names = roles(settings, links, plugged=_plugged(links), one_arm=may)
        wan = None
        if wan_name is not None:
            state = links[wan_name]
            gateways = await _gateways(ip, state.index)
            four, six = gateways.get(4), gateways.get(6)
            usable = [a for a in state.addresses if not a.is_link_local]  # such a one is no connection to anywhere
            wan = WanLink(
                name=wan_name,
                up=state.up and state.carrier,
                mtu=state.mtu,
                addresses=tuple(sorted(usable, key=lambda a: (a.version, int(a.ip), a.network.prefixlen))),
                gateway4=four if isinstance(four, IPv4Address) else None,
                gateway6=six if isinstance(six, IPv6Address) else None,
                nameservers=nameservers(resolv),
            )
        return Links(wan=wan, lan=tuple(LanLink(n, links[n].mtu) for n in lan_names))


async def _gateways(ip: Any, index: int) -> dict[int, Address]:
    """The best default route's gateway in main over the link, by IP version."""
    found: dict[int, tuple[int, Address]] = {}
    for version, family in FAMILIES.items():
        async for message in await ip.get_routes(family=family, table=_MAIN):
            if message["dst_len"] != 0:
                continue
            metric = dict(message["attrs"]).get("RTA_PRIORITY", 0)
            for oif, gateway in _hops(message):
                if oif == index and (version not in found or metric < found[version][0]):
                    found[version] = (metric, ip_address(gateway))
    return {version: gateway for version, (_, gateway) in found.items()}


def _hops(message: Any) -> Iterator[tuple[int, str]]:
    """(interface, gateway) of a route: its own, or of each of its ways where two routers offer one."""
    words = dict(message["attrs"])
    if "RTA_GATEWAY" in words:
        yield words.get("RTA_OIF", 0), words["RTA_GATEWAY"]
    for way in words.get("RTA_MULTIPATH", ()):
        gateway = dict(way["attrs"]).get("RTA_GATEWAY")
        if gateway is not None:
            yield way["oif"], gateway


def nameservers(path: Path) -> tuple[Address, ...]:
    """The name servers listed in ``path``; none where it cannot be read.

    Left out are a resolver on this machine, which is none of the WAN's, and link-local addresses, which no rule of the
    firewall could name.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
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
    """Yields when the links may have changed, and every few seconds besides. Raises OSError."""
    events = link_changes()
    try:
        while True:
            await events.wait(POLL, DEBOUNCE)
            yield
    finally:
        events.close()
