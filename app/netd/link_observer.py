"""The link observer assigns the roles WAN and LAN to the ports that are present, as the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from app.model import Links, Settings
from app.network.lan_ports import LanPorts
from app.network.observe import observe, watch_links
from app.network.one_arm import OneArm


class LinkObserver:
    """The observer of the kernel's links; ``resolv`` is a resolv.conf(5) with the WAN's name servers."""

    def __init__(self, *, resolv: Path, one_arm: OneArm, lan_ports: LanPorts) -> None:
        self._resolv = resolv
        self._one_arm = one_arm
        self._lan_ports = lan_ports
        self._last_wan: str | None = None

    async def observe(self, settings: Settings) -> Links:
        links = await observe(
            settings.links,
            resolv=self._resolv,
            one_arm=self._one_arm,
            lan_ports=self._lan_ports,
            last_wan=self._last_wan,
        )
        if links.wan is not None:
            self._last_wan = links.wan.name
        return links

    def changes(self) -> AsyncIterator[None]:
        return watch_links()
