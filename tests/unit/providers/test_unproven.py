"""An account's key is unproven from the sign-in until a server has answered it; a rotation keeps what was known."""

from __future__ import annotations

import pytest

from app import keys
from app.providers.unproven import TellsUnproven
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES, Case

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@EVERY
async def test_key_is_unproven_from_the_sign_in_to_the_first_handshake(world: World, case: Case) -> None:
    await case.start(world)
    provider = await case.signed_in(world)
    assert isinstance(provider, TellsUnproven)
    config = await provider.tunnel(case.hostname)
    own = keys.public_key(config.private_key)
    assert provider.unproven_key(case.hostname) == own
    assert (await provider.account()).key_proven is False
    assert case.make(world).unproven_key(case.hostname) == own, "a restart has forgotten it"
    provider.prove_key(keys.generate().public_key)
    assert provider.unproven_key(case.hostname) == own, "another key proves nothing"
    provider.prove_key(own)
    again = case.make(world)
    assert again.unproven_key(case.hostname) is None
    assert (await again.account()).key_proven is True
    await again.account(refresh=True)
    assert again.unproven_key(case.hostname) is None


@EVERY
async def test_rotation_keeps_what_is_known_of_the_key(world: World, case: Case) -> None:
    """The account has worked, and the provider itself has registered the fresh key."""
    if not case.provider.capabilities.key_rotation:
        return
    await case.start(world)
    provider = await case.signed_in(world)
    old = provider.unproven_key(case.hostname)
    await provider.rotate_key()
    fresh = provider.unproven_key(case.hostname)
    assert fresh not in {None, old}
    assert fresh is not None
    provider.prove_key(fresh)
    await provider.rotate_key()
    assert provider.unproven_key(case.hostname) is None


@EVERY
async def test_key_that_is_proven_during_a_request_stays_so(world: World, case: Case) -> None:
    """The account that the request saves at its end was read before the handshake."""
    await case.start(world)
    provider = await case.signed_in(world)
    before = provider._session.signed_in()
    own = provider.unproven_key(case.hostname)
    assert own is not None
    provider.prove_key(own)
    provider._session.save(before)
    assert provider.unproven_key(case.hostname) is None
