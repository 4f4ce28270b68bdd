"""Which interface has which role, and what the WAN has been given: read from the kernel, never written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from app.addresses import Address
from app.model import LanLink, Links, LinkSettings, WanLink
from app.network.links import LinkState, read_links
from app.network.monitor import link_changes
from app.network.netlink import open_netlink
from app.network.routes import FAMILIES

BRIDGE = "br-lan"
POLL = 5.0  # seconds; the name servers are a file, of which no netlink event tells
DEBOUNCE = 0.1
MAIN = 254


def roles(settings: LinkSettings, links: dict[str, LinkState]) -> tuple[str | None, tuple[str, ...]]:
    """(WAN, LANs): as the settings say, else by name, else the first wired port is the WAN, others are LAN (pure)."""
    wired = sorted(
        name
        for name, s in links.items()
        if name != "lo" and (s.kind is None or s.kind == "veth") and not name.startswith("wg")
    )
    wan = settings.wan
    if wan is None:
        wan = next((n for n in wired if n.startswith("wan")), None) or next(
            (n for n in wired if not n.startswith("lan")), None
        )
    lan = settings.lan
    if lan is None:
        lan = (BRIDGE,) if BRIDGE in links else tuple(n for n in wired if n != wan)
    return (wan if wan in links else None), tuple(n for n in lan if n in links)


async def observe(settings: LinkSettings, *, resolv: Path) -> Links:
    """The links as they are now. ``resolv`` is the WAN's name servers in the form of resolv.conf(5)."""
    async with open_netlink() as ip:
        links = await read_links(ip)
        wan_name, lan_names = roles(settings, links)
        wan = None
        if wan_name is not None:
            state = links[wan_name]
            gateways = await _gateways(ip, state.index)
            four, six = gateways.get(4), gateways.get(6)
            wan = WanLink(
                name=wan_name,
                up=state.up and state.carrier,
                mtu=state.mtu,
                addresses=tuple(sorted(state.addresses, key=lambda a: (a.version, int(a.ip)))),
                gateway4=four if isinstance(four, IPv4Address) else None,
                gateway6=six if isinstance(six, IPv6Address) else None,
                nameservers=nameservers(resolv),
            )
        return Links(wan=wan, lan=tuple(LanLink(n, links[n].mtu) for n in lan_names))


async def _gateways(ip: Any, index: int) -> dict[int, Address]:
    """The best default route's gateway in main over the link, by IP version."""
    found: dict[int, tuple[int, Address]] = {}
    for version, family in FAMILIES.items():
        async for message in await ip.get_routes(family=family, table=MAIN):
            attributes = dict(message["attrs"])
            if attributes.get("RTA_OIF") != index or message["dst_len"] != 0 or "RTA_GATEWAY" not in attributes:
                continue
            metric = attributes.get("RTA_PRIORITY", 0)
            if version not in found or metric < found[version][0]:
                found[version] = (metric, ip_address(attributes["RTA_GATEWAY"]))
    return {version: gateway for version, (_, gateway) in found.items()}


def nameservers(path: Path) -> tuple[Address, ...]:
    """The name servers listed in ``path``; none where it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ()
    found: list[Address] = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(ip_address(words[1].partition("%")[0]))
            except ValueError:
                continue
    return tuple(dict.fromkeys(found))


async def watch_links() -> AsyncIterator[None]:
    """Yields when the links may have changed, and every few seconds besides."""
    events = link_changes()
    try:
        while True:
            await events.wait(POLL, DEBOUNCE)
            yield
    finally:
        events.close()
