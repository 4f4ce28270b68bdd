"""The post-quantum key exchange through a real tunnel, with a relay that speaks Mullvad's protocol in a namespace."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import struct
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app import keys
from app.model import KeyExchange
from app.network.plan import TransportPeer, TunnelPlan
from app.network.wireguard.kernel import KernelBackend, kernel_has_wireguard
from app.network.wireguard.types import DeviceConfig, PeerConfig, WireGuardBackend
from app.network.wireguard.userspace import UserspaceBackend
from app.tunnel import handshake
from app.tunnel.post_quantum import PostQuantum, PostQuantumError
from app.tunnel.states import Target, Tunnel
from tests.kernel.namespace import Neighbour, inside, neighbour, run
from tests.support.providers.ephemeral_peer import PORT, EphemeralPeerService, Fault
from tests.support.providers.ephemeral_relay import WireGuardRelay

pytestmark = pytest.mark.kernel

SERVICE = ip_address("10.64.0.1")
OURS, THEIRS = keys.generate(), keys.generate()
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3
BACKENDS: list[type[UserspaceBackend | KernelBackend]] = [UserspaceBackend]


@inside
async def _look() -> None:
    if await kernel_has_wireguard():
        BACKENDS.append(KernelBackend)


_look()
either = pytest.mark.parametrize("make", BACKENDS)


@dataclass
class World:
    host: Neighbour
    service: EphemeralPeerService
    backend: WireGuardBackend
    tunnel: Tunnel
    device: DeviceConfig
    wire: socket.socket  # every frame of the WAN

    async def change(self, *, required: bool = False, timeout: float = 6.0) -> Tunnel:
        exchange = KeyExchange(SERVICE, PORT, required)
        return await PostQuantum(self.backend).change("wg0a", self.tunnel, exchange, self.device, timeout)

    def ours(self) -> tuple[str, str]:
        """(public key, preshared key) of our end."""
        (_, public, *_), (_, shared, *_) = [line.split("\t") for line in run("wg show wg0a dump").splitlines()]
        return public, shared

    def loaded(self) -> list[str]:
        """The peers to which the relay sends anything."""
        lines = (line.split("\t") for line in self.host.run("wg show server allowed-ips").splitlines())
        return [key for key, allowed in lines if allowed != "(none)"]

    def seen_in_clear(self) -> list[bytes]:
        """The frames on the WAN, apart from WireGuard's and ARP; counts WireGuard's as the positive control."""
        clear, encrypted = [], 0
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.wire.recv(65536)
                if frame[12:14] == b"\x08\x06" or frame[12:14] == b"\x86\xdd":
                    continue
                if frame[23] == socket.IPPROTO_UDP and 51820 in struct.unpack("!HH", frame[34:38]):
                    encrypted += 1
                else:
                    clear.append(frame)
        assert encrypted >= 4, "the capture sees nothing"
        return clear


@contextlib.asynccontextmanager
async def world(make: type[UserspaceBackend | KernelBackend]) -> AsyncGenerator[World, None]:
    """A tunnel that has shaken hands with its registered key, and the relay's service inside it."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL))
    with neighbour() as host, wire:
        wire.bind(("wan0", 0))
        run("ip addr add 10.9.0.1/24 dev wan0")
        host.run("ip addr add 10.9.0.2/24 dev eth0")
        host.run("wireguard-go server")
        host.run("wg set server listen-port 51820 private-key /dev/stdin", feed=THEIRS.private_key.reveal())
        host.run(f"wg set server peer {OURS.public_key} allowed-ips 10.66.0.2/32")
        host.run(f"ip addr add {SERVICE}/32 dev server")
        host.run("ip link set server up")
        host.run("ip route add 10.66.0.2/32 dev server")
        relay = WireGuardRelay(host.run, "server")
        service = EphemeralPeerService(relay.register)
        await service.start(_listen(host))
        following = asyncio.create_task(_follow(relay))

        backend = make()
        everything = (ip_network("0.0.0.0/0"),)
        peer = PeerConfig(THEIRS.public_key, None, (ip_address("10.9.0.2"), 51820), everything, 25)
        device = DeviceConfig(OURS.private_key, 0x20, None, (peer,))
        plan = TunnelPlan("a", (ip_interface("10.66.0.2/32"),), 1420, (), everything, ())
        endpoint = TransportPeer(ip_address("10.9.0.2"), 51820)
        tunnel = Tunnel(Target("mullvad", "se-sto-wg-001"), plan, THEIRS.public_key, endpoint)
        await backend.create("wg0a")
        run("ip addr add 10.66.0.2/32 dev wg0a")
        run("ip link set wg0a up")
        # As with a candidate: no route leads into the tunnel, and one to the relay's address leads past it.
        run("ip route add 10.64.0.0/24 via 10.9.0.2")
        await backend.configure("wg0a", device)
        assert await handshake.wait(backend, "wg0a", tunnel.peer_key, 6.0)
        try:
            yield World(host, service, backend, tunnel, device, wire)
        finally:
            following.cancel()
            await service.stop()
            await backend.remove("wg0a")


def _listen(host: Neighbour) -> socket.socket:
    def there() -> socket.socket:
        with open(f"/proc/{host.pid}/ns/net") as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) == 0
        return socket.create_server((str(SERVICE), PORT))

    with ThreadPoolExecutor(1) as thread:  # of its own: a namespace is a thread's, and this one ends
        return thread.submit(there).result()


async def _follow(relay: WireGuardRelay) -> None:
    while True:
        await asyncio.to_thread(relay.step)
        await asyncio.sleep(0.02)  # WireGuard has no event for a handshake


async def carries(seconds: float = 6.0) -> bool:
    """Whether a connection through the tunnel gets an answer: the service's port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wg0a")
        sock.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(sock, (str(SERVICE), PORT))
        except TimeoutError:
            return False
        return True


@either
@inside
async def test_exchange_gives_both_ends_the_same_preshared_key(make: type[UserspaceBackend | KernelBackend]) -> None:
    async with world(make) as w:
        changed = await w.change(required=True)
        assert (changed.post_quantum, changed.post_quantum_problem) == (True, None)
        (found,) = w.service.registered
        assert found.parent == OURS.public_key
        assert w.ours() == (found.ephemeral, found.preshared)
        assert w.service.sources == ["10.66.0.2"]
        assert await carries()
        assert w.loaded() == [found.ephemeral]
        assert w.seen_in_clear() == []


@either
@pytest.mark.parametrize("fault", ["busy", "other_secret"])
@inside
async def test_failed_exchange_leaves_the_tunnel_as_it_was(
    make: type[UserspaceBackend | KernelBackend], fault: Fault
) -> None:
    """Also after the relay has loaded the ephemeral peer, whose handshake never completes for want of the secret."""
    async with world(make) as w:
        w.service.fault = fault
        changed = await w.change()  # the handshake with the registered key has as long as the one that fails
        assert not changed.post_quantum
        said = "unavailable" if fault == "busy" else "did not complete a handshake"
        assert said in (changed.post_quantum_problem or "")
        assert w.ours() == (OURS.public_key, "(none)")
        assert await carries()
        assert w.loaded() == [OURS.public_key]
        assert w.seen_in_clear() == []


@either
@pytest.mark.parametrize("fault", ["busy", "other_secret"])
@inside
async def test_required_exchange_that_fails_is_an_error(
    make: type[UserspaceBackend | KernelBackend], fault: Fault
) -> None:
    async with world(make) as w:
        w.service.fault = fault
        with pytest.raises(PostQuantumError, match="which the settings require"):
            await w.change(required=True, timeout=2.0)
        assert w.seen_in_clear() == []


@either
@inside
async def test_every_exchange_replaces_the_one_before(make: type[UserspaceBackend | KernelBackend]) -> None:
    async with world(make) as w:
        first = await w.change()
        assert await carries()  # the relay has unloaded the registered key
        await w.backend.configure("wg0a", w.device)  # a new tunnel to the same relay
        assert await handshake.wait(w.backend, "wg0a", w.tunnel.peer_key, 6.0)
        second = await w.change()
        assert first.post_quantum
        assert second.post_quantum
        one, other = w.service.registered
        assert (one.ephemeral, one.preshared) != (other.ephemeral, other.preshared)
        assert w.ours() == (other.ephemeral, other.preshared)
        assert await carries()
        assert w.loaded() == [other.ephemeral]
