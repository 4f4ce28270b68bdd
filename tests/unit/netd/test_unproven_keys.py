"""A key that no server has ever answered is tried at two servers or by twelve handshakes, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from app import keys
from app.model import Endpoint, Peer, TunnelConfig
from app.netd.unproven_keys import MAX_INITIATIONS, UnprovenKeys
from app.network.plan import TransportPeer, TunnelPlan
from app.providers.registry import Registry
from app.store import Store
from app.store.servers import split_secrets
from app.tunnel.states import Target, Tunnel

PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), ())
PEER = TransportPeer(ip_address("198.51.100.7"), 51820)
SERVER_KEY = keys.generate().public_key


class World:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.found = UnprovenKeys(Registry(store))

    def add(self, name: str, pair: keys.KeyPair, service: str | None = "Surfshark", *, proven: bool = False) -> Tunnel:
        """An imported server; the tunnel to it."""
        config = TunnelConfig(
            pair.private_key, PLAN.addresses, (Peer(SERVER_KEY, Endpoint("198.51.100.7", 51820), PLAN.routes),)
        )
        stored, secrets = split_secrets(
            config, name=name, provider="imported", location=None, added=0.0, warnings=(), service=service
        )
        self.store.add_server(stored, secrets)
        if proven:
            self.store.prove_key(pair.public_key)
        return Tunnel(Target("imported", name), PLAN, SERVER_KEY, PEER, own_key=pair.public_key)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Store(tmp_path) as store:
        yield World(store)


def test_two_servers_are_enough(world: World) -> None:
    pair = keys.generate()
    one, two, three = (world.add(name, pair) for name in ("one", "two", "three"))
    world.found.on_silence(one, 2)
    assert not world.found.rests(one.target)
    world.found.on_silence(two, 1)
    assert world.found.rests(three.target)
    problem = world.found.problem(three.target)
    assert problem is not None
    assert problem.code == "key_unproven"
    for part in ("has not been proven", "one and two", "3 handshakes", "sign in again", "connect again"):
        assert part in problem.message


def test_handshakes_to_one_server_are_counted(world: World) -> None:
    one = world.add("one", keys.generate())
    for _ in range(MAX_INITIATIONS - 1):
        world.found.on_silence(one, 1)
    assert not world.found.rests(one.target)
    world.found.on_silence(one, 1)
    assert world.found.rests(one.target)


def test_attempt_that_sent_nothing_does_not_count(world: World) -> None:
    pair = keys.generate()
    tunnels = [world.add(name, pair) for name in ("one", "two", "three")]
    for tunnel in tunnels:
        world.found.on_silence(tunnel, 0)
    assert not world.found.rests(tunnels[0].target)


def test_proven_key_never_rests(world: World, tmp_path: Path) -> None:
    """One handshake at one server is enough for all with that key, also after a restart."""
    pair = keys.generate()
    one, two, three = (world.add(name, pair) for name in ("one", "two", "three"))
    world.found.on_silence(one, 2)
    world.found.on_handshake(two)
    assert not any(s.unproven for s in world.store.servers())
    world.store.close()
    with Store(tmp_path) as store:
        found = UnprovenKeys(Registry(store))
        for tunnel in (one, two, three):
            found.on_silence(tunnel, 100)
        assert not found.rests(one.target)


def test_further_file_with_a_proven_key_is_proven(world: World) -> None:
    pair = keys.generate()
    world.add("one", pair, proven=True)
    two = world.add("two", pair)
    assert not world.found.is_unproven(two.target)


def test_other_key_is_not_affected(world: World) -> None:
    one, two = world.add("one", keys.generate()), world.add("two", keys.generate())
    world.found.on_silence(one, MAX_INITIATIONS)
    assert (world.found.rests(one.target), world.found.rests(two.target)) == (True, False)


def test_handshake_with_an_older_key_proves_nothing(world: World) -> None:
    """The adopted tunnel of an account from before a sign-in."""
    one = world.add("one", keys.generate())
    older = Tunnel(one.target, PLAN, SERVER_KEY, PEER, own_key=keys.generate().public_key)
    world.found.on_handshake(older)
    assert world.found.is_unproven(one.target)


def test_own_server_is_tried_for_ever(world: World) -> None:
    """No provider is known, and no other file has the key: the server may be made ready after the gateway."""
    one = world.add("home", keys.generate(), service=None)
    world.found.on_silence(one, 10 * MAX_INITIATIONS)
    assert not world.found.rests(one.target)


def test_key_of_several_unknown_files_is_a_providers(world: World) -> None:
    pair = keys.generate()
    one, two = world.add("one", pair, service=None), world.add("two", pair, service=None)
    world.found.on_silence(one, 1)
    world.found.on_silence(two, 1)
    assert world.found.rests(one.target)


def test_sign_in_begins_anew(world: World) -> None:
    one = world.add("one", keys.generate())
    world.found.on_silence(one, MAX_INITIATIONS)
    world.found.forget("mullvad")
    assert world.found.rests(one.target)
    world.found.forget("imported")
    assert not world.found.rests(one.target)
