"""Pauses are exceptions: they end by themselves, are told as such, and the admin may end them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import KernelError
from app.explain.decision import Decision, by_admin, stored, with_exceptions
from app.model import BlockedPolicy, Device, DirectPolicy, SelfService, VpnPolicy
from app.netd.pauses import BY, REASON, Pauses
from app.protocol.commands import EndException, StartException
from app.protocol.events import DeviceChanged, ExceptionEnded, ExceptionStarted
from tests.unit.netd.test_policies import PHONE, TV, World


@pytest.fixture
def world(tmp_path: Path):
    found = World(tmp_path)
    yield found
    found.store.close()


def pauses(world: World) -> Pauses:
    return Pauses(world.opened, world.exceptions)


async def test_pause_is_an_exception_without_the_password(world: World) -> None:
    found = pauses(world)
    assert (list(found.paused()), found.until(TV)) == ([], None)
    await found.begin(TV, 600)
    (one,) = world.opened.present()
    assert (one.mac, one.policy, one.by, one.reason) == (TV, DirectPolicy(), BY, REASON)
    assert (list(found.paused()), found.until(TV)) == ([TV], world.wall + 600)
    assert world.published[-1] == ExceptionStarted(one.id, TV, None, "direct", world.wall + 600, BY, REASON)
    assert DeviceChanged(TV, "policy") in world.published


async def test_pause_ends_by_itself_or_when_it_is_ended(world: World) -> None:
    found = pauses(world)
    await found.begin(TV, 600)
    await found.end(TV)
    assert isinstance(world.published[-1], ExceptionEnded)
    assert found.until(TV) is None
    await found.end(TV)  # once more is no error
    await found.begin(TV, 60)
    world.pass_time(61)
    assert (list(found.paused()), found.until(TV)) == ([], None)


async def test_exception_of_the_admin_is_no_pause(world: World) -> None:
    found = pauses(world)
    await world.run(StartException(BlockedPolicy(), mac=TV, seconds=60.0, by="admin"))
    assert (list(found.paused()), found.until(TV)) == ([], None)
    await found.end(TV)
    assert len(world.opened.present()) == 1


async def test_admin_ends_a_pause(world: World) -> None:
    found = pauses(world)
    await found.begin(TV, 600)
    await world.run(EndException(world.opened.present()[0].id))
    assert found.until(TV) is None


async def test_pause_that_the_kernel_refuses_is_none(world: World) -> None:
    found = pauses(world)
    world.refuses = True
    with pytest.raises(KernelError):
        await found.begin(TV, 600)
    assert list(found.paused()) == []


async def test_decision_tells_the_exception_and_its_end(world: World) -> None:
    world.devices(Device(TV, VpnPolicy(), group="kids"))
    decide = with_exceptions(world.opened.present)
    settings = world.store.settings
    assert decide(settings, TV, world.wall) == Decision(VpnPolicy(), "own", group="kids")
    await pauses(world).begin(TV, 600)
    paused = Decision(DirectPolicy(), "exception", world.wall, world.wall + 600, REASON, "kids")
    assert decide(settings, TV, world.wall) == paused
    assert decide(settings, TV, world.wall + 601) == Decision(VpnPolicy(), "own", group="kids")
    assert decide(settings, PHONE, world.wall) == Decision(VpnPolicy(), "default")
    for without in (stored, by_admin(pauses(world).others)):
        assert without(settings, TV, world.wall).policy == VpnPolicy()


def test_admins_decision_is_without_the_devices_choice(world: World) -> None:
    from msgspec.structs import replace

    settings = replace(
        world.store.settings,
        exits=("default", "de"),
        self_service=SelfService("exit"),
        chosen_exits={TV: "de"},
        devices=(Device(TV),),
    )
    assert stored(settings, TV, 0.0) == Decision(VpnPolicy("de"), "choice")
    assert by_admin(tuple)(settings, TV, 0.0) == Decision(VpnPolicy(), "own")


async def test_admins_decision_knows_the_admins_exceptions_alone(world: World) -> None:
    world.devices(Device(TV, VpnPolicy(), group="kids"))
    admins = by_admin(pauses(world).others)
    await pauses(world).begin(TV, 600)
    await world.run(StartException(BlockedPolicy(), group="kids", seconds=60.0, by="admin"))
    assert admins(world.store.settings, TV, world.wall).policy == BlockedPolicy()
    world.pass_time(61)
    assert admins(world.store.settings, TV, world.wall).policy == VpnPolicy()
