"""Providers on the lab's Internet: APIs over TLS, and WireGuard servers that know a key once it is registered."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

from app.https.transport import Destination, Streams, dial
from app.model import Secret
from app.providers.account_provider import SignInProvider
from app.providers.base import Environment
from app.providers.config import load
from app.store.accounts import Accounts
from app.tasks import end
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, VPNS
from tests.support.providers.ca import Authority
from tests.support.providers.ephemeral_peer import PORT, EphemeralPeerService
from tests.support.providers.ephemeral_relay import WireGuardRelay
from tests.support.providers.standin import StandIn

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
ALLOWED = ("198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32")
TUNNEL_NETWORKS = (
    "10.66.0.0/16",
    "10.13.128.0/24",
    "10.130.7.0/24",
    "fc00:bbbb:bbbb:bb01::/64",
)  # the stand-ins' devices are in these
RESOLVER = "10.64.0.1"  # that Mullvad has on every server


class LabProviders:
    """Runs stand-ins in the test's process, on sockets of the lab's hosts: a test can make trouble at once."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.authority = Authority(lab.directory / "ca")
        self._stand_ins: list[StandIn] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="providers", daemon=True)
        self._key_exchanges: list[EphemeralPeerService] = []
        self._following: list[asyncio.Task[None]] = []
        self._known: dict[str, tuple[str, str | None]] = {}  # allowed IPs and preshared key, by public key
        self._thread.start()
        for name in VPNS:
            host = lab.hosts[name]
            host.shell("".join(f"ip route replace {network} dev wg0;" for network in TUNNEL_NETWORKS))
            host.shell(f"ip addr replace {RESOLVER}/32 dev wg0")

    def serve(self, stand_in: StandIn, *, host: str = "internet", port: int = 443) -> None:
        listener = within(self.lab, host, lambda: socket.create_server(("", port)))
        stand_in.on_change = self._tell_servers
        self._stand_ins.append(stand_in)
        self._run(stand_in.start(self.authority, sock=listener))

    def serve_key_exchange(self, name: str) -> EphemeralPeerService:
        """Serve a Mullvad relay's key exchange inside the tunnels of the VPN server ``name``."""
        host = self.lab.hosts[name]

        def run(command: str, *, feed: str | None = None) -> str:
            options: dict[str, Any] = {} if feed is None else {"input": feed, "stdin": None}
            return host.run(*command.split(), **options).stdout

        relay = WireGuardRelay(run, "wg0")
        service = EphemeralPeerService(relay.register)
        listener = within(self.lab, name, lambda: socket.create_server((RESOLVER, PORT)))

        async def start() -> None:
            await service.start(listener)
            self._following.append(self._loop.create_task(_follow(relay)))

        self._run(start())
        self._key_exchanges.append(service)
        return service

    def configure(self, apis: Mapping[str, str], addresses: Mapping[str, str] = {}) -> None:
        """Write ``providers.toml`` with these APIs, by name, and restart netd to read it.

        ``addresses`` are those of APIs elsewhere than on the ``internet`` host.
        """
        text = f"allowed_networks = {list(ALLOWED)}\n"
        for name, url in apis.items():
            address = addresses.get(name, INTERNET4)
            text += f'[apis.{name}]\nurl = "{url}"\naddresses = ["{address}"]\nca = "{self.authority.path}"\n'
        (self.lab.directory / "providers.toml").write_text(text)
        self.lab.gateway.restart_app()

    def sign_in(self, make: Callable[[Environment], SignInProvider], credentials: Mapping[str, str]) -> None:
        """Sign in and fetch the list from the ``internet`` host, into netd's state directory; netd is restarted."""
        config = load(self.lab.directory / "providers.toml")
        accounts = Accounts(self.lab.gateway.state_dir)
        accounts.load()
        environment = Environment(
            transport=_FromTheInternet(),
            accounts=accounts,
            lists=self.lab.gateway.state_dir / "lists",
            allowed_networks=tuple(ip_network(n) for n in ALLOWED),
            apis=config.apis,
        )

        async def work() -> None:
            provider = make(environment)
            await provider.sign_in({name: Secret(value) for name, value in credentials.items()})
            await provider.refresh()

        within(self.lab, "internet", lambda: asyncio.run(work()))
        self.lab.gateway.restart_app()

    def stop(self) -> None:
        for stand_in in self._stand_ins:
            self._run(stand_in.stop())
        for service in self._key_exchanges:
            self._run(service.stop())
        self._run(end(self._following))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _tell_servers(self) -> None:
        """Update the VPN servers before the provider answers: a key works exactly while it is registered."""
        peers = [peer for stand_in in self._stand_ins for peer in stand_in.peers()]
        wanted = {p["public_key"]: (",".join(p["addresses"]), p.get("preshared_key")) for p in peers}
        for name in VPNS:
            host = self.lab.hosts[name]
            if host.run("ip", "link", "show", "wg0", check=False).returncode != 0:
                continue  # a server that is down in this test
            for key in self._known.keys() - wanted.keys():
                host.run("wg", "set", "wg0", "peer", key, "remove")
            for key, (allowed, preshared) in wanted.items():
                if self._known.get(key) != (allowed, preshared):
                    preshared_key = f"echo {preshared} | " if preshared else ""
                    file = "/dev/stdin" if preshared else "/dev/null"
                    host.shell(
                        f"{preshared_key}wg set wg0 peer {key} preshared-key {file} allowed-ips {allowed}",
                    )
        self._known = wanted


class _FromTheInternet:
    """Connections of a thread that is in the ``internet`` host, where the APIs are."""

    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncGenerator[Streams, None]:
        async with dial(to.addresses or (ip_address(INTERNET4),), to, tls) as streams:
            yield streams


async def _follow(relay: WireGuardRelay) -> None:
    while True:
        await asyncio.to_thread(relay.step)
        await asyncio.sleep(0.02)  # WireGuard has no event for a handshake


def within(lab: Lab, host: str, work: Callable[[], T]) -> T:
    """``work()`` in the network namespace of ``host``."""

    def there() -> T:
        with open(f"/proc/{lab.hosts[host].init}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "setns")
        return work()

    with ThreadPoolExecutor(1) as thread:  # of its own: a namespace is a thread's, and this one ends
        return thread.submit(there).result(60)
