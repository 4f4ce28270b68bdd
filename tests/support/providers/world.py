"""A provider's environment for a test: stand-ins on the loopback, a clock to turn, state in a directory."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from msgspec.structs import replace

from app.addresses import Network
from app.https.transport import Destination, Streams, dial
from app.model import ProviderSettings
from app.providers.base import Environment
from app.providers.config import ApiConfig
from app.store.accounts import Accounts
from tests.support.providers.ca import Authority
from tests.support.providers.standin import StandIn

LOOPBACK = ip_address("127.0.0.1")


@dataclass
class Outgoing:
    """Leads every host name to its stand-in's port, and remembers who was asked for."""

    ports: dict[str, int] = field(default_factory=dict)
    by_address: dict[str, int] = field(default_factory=dict)  # for connections to an address whose name leads nowhere
    opened: list[Destination] = field(default_factory=list)
    open_now: int = 0

    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncIterator[Streams]:
        self.opened.append(to)
        by_address = (self.by_address[str(a)] for a in to.addresses if str(a) in self.by_address)
        port = self.ports.get(to.host) or next(by_address, None)
        if port is None:
            raise OSError(113, "No route to host")
        self.open_now += 1
        try:
            async with dial([LOOPBACK], replace(to, port=port), tls) as streams:
                yield streams
        finally:
            self.open_now -= 1


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory / "ca")
        self.outgoing = Outgoing()
        self.settings = ProviderSettings()
        self.own_networks: tuple[Network, ...] = ()
        self.allowed_networks: tuple[Network, ...] = ()
        self.shipped: Path | None = None
        self.ahead = 0.0  # seconds that our clock is ahead of the stand-ins'
        self.apis: dict[str, ApiConfig] = {}
        self._running: list[StandIn] = []
        (directory / "state").mkdir()

    async def serve(self, stand_in: StandIn, **apis: str) -> None:
        """Start ``stand_in``; ``apis`` are names of APIs and the URLs at which it plays them."""
        await stand_in.start(self.authority)
        self._running.append(stand_in)
        for name in (*stand_in.names, *stand_in.hosts):
            self.outgoing.ports[name] = stand_in.port
        for name, url in apis.items():
            self.apis[name.replace("_", "-")] = ApiConfig(url, ca=str(self.authority.path))

    async def close(self) -> None:
        for stand_in in self._running:
            await stand_in.stop()

    def environment(self) -> Environment:
        """As a freshly started netd would have it: everything read from the disk again."""
        accounts = Accounts(self.directory / "state")
        accounts.load()
        return Environment(
            transport=self.outgoing,
            accounts=accounts,
            lists=self.directory / "state" / "relays",
            shipped=self.shipped,
            settings=lambda _: self.settings,
            own_networks=lambda: self.own_networks,
            allowed_networks=self.allowed_networks,
            apis=self.apis,
            now=lambda: time.time() + self.ahead,
        )

    def everything_on_disk(self) -> str:
        files = [p for p in (self.directory / "state").rglob("*") if p.is_file()]
        return "\n".join(p.read_text("utf-8", "replace") for p in files)
