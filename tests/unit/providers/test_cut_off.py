"""Interruptions at every step of sign-in and rotation: the account works afterwards, and no device is left behind.

The answer to each request is lost once (the provider has executed it), and each write to disk fails once; every time a
new netd takes over, as after a power cut.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from app import atomic, keys
from app.errors import GatewayError
from app.providers.base import Verdict
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES, Case

ROTATING = [case for case in CASES if case.provider.capabilities.key_rotation]
WITH_DEVICES = [case for case in CASES if case.provider.capabilities.devices]


async def losing(stand_in: Any, number: int, work: Awaitable[object]) -> tuple[bool, bool]:
    """Whether the answer to request ``number`` of ``work`` was lost, and whether ``work`` failed."""
    stand_in.lose = number
    failed = False
    try:
        await work
    except GatewayError:
        failed = True
    lost = stand_in.lose is None
    stand_in.lose = None
    assert lost or not failed
    return lost, failed


async def works(world: World, case: Case, stand_in: Any) -> None:
    """Check that a new netd, after its diagnosis, uses a key that the provider knows."""
    provider = case.make(world)
    assert await provider.diagnose() in {Verdict.HEALTHY, Verdict.KEY_CHANGED}
    config = await provider.tunnel(case.hostname)
    assert keys.public_key(config.private_key) in {p["public_key"] for p in stand_in.peers()}


@pytest.mark.parametrize("room", [True, False], ids=["room", "no room"])
@pytest.mark.parametrize("case", ROTATING, ids=lambda c: c.name)
async def test_rotation_with_any_answer_lost_recovers(world: World, case: Case, room: bool) -> None:
    stand_in = await case.start(world)
    await case.signed_in(world)
    if case.name == "mullvad" and not room:
        stand_in.max_devices = 1
    lost, number = True, 0
    while lost:
        lost, _ = await losing(stand_in, number, case.make(world).rotate_key(case.hostname))
        number += 1
        await works(world, case, stand_in)
        again = case.make(world)
        await again.rotate_key(case.hostname)
        await again.settle()
        await works(world, case, stand_in)
    assert number > 1
    if case.name == "mullvad":
        assert len(stand_in.peers()) == 1
    await case.make(world).sign_out()
    if case.provider.capabilities.devices:
        assert stand_in.peers() == []


@pytest.mark.parametrize("case", ROTATING, ids=lambda c: c.name)
async def test_rotation_with_any_write_failing_recovers(
    world: World, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = await case.start(world)
    await case.signed_in(world)
    write = atomic.write_atomic
    for failing in range(12):
        writes = 0

        def sometimes(path: Any, data: bytes, failing: int = failing) -> None:
            nonlocal writes
            writes += 1
            if writes == failing + 1:
                raise OSError(28, "No space left on device")
            write(path, data)

        monkeypatch.setattr("app.store.accounts.atomic.write_atomic", sometimes)
        failed = False
        try:
            await case.make(world).rotate_key(case.hostname)
        except GatewayError:
            failed = True
        monkeypatch.setattr("app.store.accounts.atomic.write_atomic", write)
        await case.make(world).rotate_key()
        await case.make(world).settle()
        await works(world, case, stand_in)
        if not failed:
            assert failing > 0
            return
    raise AssertionError("there are more writes than expected")


@pytest.mark.parametrize("case", WITH_DEVICES, ids=lambda c: c.name)
async def test_sign_in_with_any_answer_lost_leaves_no_device(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    lost, number = True, 0
    while lost:
        provider = case.make(world)
        lost, failed = await losing(stand_in, number, provider.sign_in(case.good()))
        number += 1
        if failed:
            assert not (await case.make(world).account()).signed_in
            assert stand_in.peers() == []
            continue
        await provider.refresh()
        await works(world, case, stand_in)
        assert len(stand_in.peers()) == 1
        await provider.sign_out()
        assert stand_in.peers() == []
    assert number > 1
