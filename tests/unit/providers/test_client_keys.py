"""The keys that a provider tells beforehand are those with which it then dials, or none."""

from __future__ import annotations

import pytest

from app import keys
from app.providers.client_keys import ClientKeys, TellsKeys
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES, Case

ASSIGNED = {"pia", "hideme"}  # the server's key comes with the answer to the gateway's


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_keys_are_those_of_the_tunnel(world: World, case: Case) -> None:
    await case.start(world)
    assert case.make(world).client_keys(case.hostname) is None, "without an account there is no key"
    provider = await case.signed_in(world)
    assert isinstance(provider, TellsKeys)
    config = await provider.tunnel(case.hostname)
    peers = frozenset(peer.public_key for peer in config.peers)
    told = ClientKeys(keys.public_key(config.private_key), peers)
    assert provider.client_keys(case.hostname) == (None if provider.name in ASSIGNED else told)
    assert provider.client_keys("no-such-server") is None


def test_clients_meet_at_a_common_peer_with_one_key() -> None:
    one = ClientKeys("own", frozenset("ab"))
    assert one.meet(ClientKeys("own", frozenset("bc")))
    assert not one.meet(ClientKeys("own", frozenset("c")))
    assert not one.meet(ClientKeys("other", frozenset("ab")))
    assert not ClientKeys("", frozenset("a")).meet(ClientKeys("", frozenset("a")))
