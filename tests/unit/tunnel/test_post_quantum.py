"""What becomes of a tunnel after its key exchange. The exchange itself, with a real relay: tests/kernel, tests/lab."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Literal

import pytest
from msgspec.structs import replace

from app import keys
from app.ephemeral_peer import exchange as exchange_module
from app.ephemeral_peer.errors import ExchangeError
from app.model import KeyExchange, Secret
from app.network.plan import TransportPeer, TunnelPlan
from app.network.wireguard.types import DeviceConfig, DeviceStats, PeerConfig, PeerStats
from app.tunnel.post_quantum import NoHandshakeError, PostQuantum, PostQuantumError, with_keys
from app.tunnel.states import Target, Tunnel

OURS, RELAY, OTHER = keys.generate(), keys.generate().public_key, keys.generate().public_key
ENDPOINT = (ip_address("198.51.100.7"), 51820)
EVERYTHING = (ip_network("0.0.0.0/0"),)
PLAN = TunnelPlan("a", (ip_interface("10.66.0.2/32"),), 1420, (), EVERYTHING, ())
TUNNEL = Tunnel(Target("mullvad", "se-sto-wg-001"), PLAN, RELAY, TransportPeer(*ENDPOINT))
DEVICE = DeviceConfig(OURS.private_key, 0x20, None, (PeerConfig(RELAY, None, ENDPOINT, EVERYTHING, 25),))
PREFERRED = KeyExchange(ip_address("10.64.0.1"), 1337)
REQUIRED = replace(PREFERRED, required=True)
NEW = (keys.generate().private_key, Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))


class Backend:
    """A WireGuard backend whose peer answers to the private keys in ``known``."""

    kind: Literal["kernel", "userspace"] = "kernel"

    def __init__(self) -> None:
        self.known = {OURS.private_key}
        self.devices = [DEVICE]

    async def configure(self, name: str, device: DeviceConfig) -> None:
        assert name == "wg0b"
        self.devices.append(device)

    async def stats(self, name: str) -> DeviceStats:
        answered = self.devices[-1].private_key in self.known
        return DeviceStats(0x20, 40123, (PeerStats(RELAY, ENDPOINT, 1.0 if answered else None, 1, 1),))

    async def create(self, name: str) -> None: ...

    async def remove(self, name: str) -> None: ...

    async def set_endpoint(self, name: str, public_key: str, address: object, port: int) -> None: ...

    async def names(self) -> set[str]:
        return set()


class Relay:
    """In place of the exchange; ``failure`` is raised."""

    def __init__(self) -> None:
        self.failure: ExchangeError | None = None
        self.asked: list[tuple[object, ...]] = []

    async def exchange(self, *arguments: object) -> tuple[Secret, Secret]:
        self.asked.append(arguments)
        if self.failure is not None:
            raise self.failure
        return NEW


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Relay:
    made = Relay()
    monkeypatch.setattr(exchange_module, "exchange", made.exchange)
    return made


async def change(setup: PostQuantum, exchange: KeyExchange) -> Tunnel:
    return await setup.change("wg0b", TUNNEL, exchange, DEVICE, 0.02)


async def test_new_keys_are_in_force_before_the_tunnel_is_post_quantum(relay: Relay) -> None:
    backend = Backend()
    backend.known.add(NEW[0])
    assert await change(PostQuantum(backend), REQUIRED) == replace(TUNNEL, post_quantum=True)
    last = backend.devices[-1]
    assert (last.private_key, last.peers[0].preshared_key) == NEW
    assert last.listen_port == 40123  # of the first handshake
    assert relay.asked == [("wg0b", PREFERRED.address, 1337, OURS.public_key, 8.0)]


async def test_preferred_exchange_that_fails_leaves_the_session(relay: Relay) -> None:
    """Nothing is configured again, so that the first session goes on."""
    backend = Backend()
    relay.failure = ExchangeError("the relay is busy")
    assert await change(PostQuantum(backend), PREFERRED) == replace(TUNNEL, post_quantum_problem="the relay is busy")
    assert backend.devices == [DEVICE]


async def test_preferred_keys_that_do_not_work_are_taken_back(relay: Relay) -> None:
    backend = Backend()
    changed = await change(PostQuantum(backend), PREFERRED)
    assert not changed.post_quantum
    assert "handshake" in (changed.post_quantum_problem or "")
    assert backend.devices[-1] == replace(DEVICE, listen_port=40123)


async def test_relay_that_is_silent_after_both_keys_is_no_tunnel(relay: Relay) -> None:
    backend = Backend()
    backend.known.clear()
    with pytest.raises(NoHandshakeError):
        await change(PostQuantum(backend), PREFERRED)


async def test_required_exchange_waits_longer_after_each_failure(relay: Relay) -> None:
    """As Mullvad's app: 8 seconds, doubled up to 48; from the start after a success. A preferred one never does."""
    backend = Backend()
    setup = PostQuantum(backend)
    relay.failure = ExchangeError("the relay did not answer")
    for _ in range(5):
        with pytest.raises(PostQuantumError, match=r"the settings require: the relay did not answer.*prefer connects"):
            await change(setup, REQUIRED)
    await change(setup, PREFERRED)
    relay.failure = None
    backend.known.add(NEW[0])
    await change(setup, REQUIRED)
    await change(setup, REQUIRED)
    assert [arguments[-1] for arguments in relay.asked] == [8.0, 16.0, 32.0, 48.0, 48.0, 8.0, 48.0, 8.0]
    assert DEVICE in backend.devices


def test_other_peers_keep_their_keys() -> None:
    both = replace(DEVICE, peers=(*DEVICE.peers, PeerConfig(OTHER, None, None, (ip_network("10.0.0.0/8"),), 0)))
    first, second = with_keys(both, RELAY, *NEW).peers
    assert (first.preshared_key, second.preshared_key) == (NEW[1], None)
    assert NEW[1].reveal() not in repr(with_keys(both, RELAY, *NEW))
