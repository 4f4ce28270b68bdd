"""Devices that wait for their admission, at the LAN's bridge: no frame of theirs reaches another port."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.model import LanBridge, LanLink, Links, VpnPolicy, WaitingPolicy
from app.network.planner import plan
from tests.kernel.namespace import inside, run
from tests.kernel.test_bridge import WAN, is_stopped, passes, ports, reconciler
from tests.support.frames import SOURCE
from tests.unit.network.scenarios import default_exit, inputs

pytestmark = pytest.mark.kernel


def waiting_plan(default, *devices):
    links = Links(WAN, (LanLink("br-lan"),), LanBridge("br-lan", ("one", "two")))
    return plan(replace(inputs(default_exit(), default=default, devices=devices), links=links))


@inside
async def test_unknown_device_reaches_no_other_port():
    ports("one", "two")
    kernel = reconciler()
    await kernel.apply(waiting_plan(VpnPolicy()))
    assert await passes("host", "one", "two")
    await kernel.apply(waiting_plan(WaitingPolicy()))
    assert await is_stopped("host", "one", "two")
    await kernel.apply(waiting_plan(WaitingPolicy(), (SOURCE, VpnPolicy())))
    assert await passes("host", "one", "two")
    assert await kernel.verify() == ()


@inside
async def test_one_device_that_waits_reaches_no_other_port():
    ports("one", "two")
    kernel = reconciler()
    await kernel.apply(waiting_plan(VpnPolicy(), (SOURCE, WaitingPolicy())))
    assert await is_stopped("host", "one", "two")
    assert "drop_waiting" in run("nft list counters table bridge vpn_gateway")
    await kernel.apply(waiting_plan(VpnPolicy(), ("02:00:00:00:00:77", WaitingPolicy())))
    assert await passes("host", "one", "two")


@inside
async def test_thousand_devices_are_told_apart():
    ports("one", "two")
    kernel = reconciler()
    known = tuple((f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}", VpnPolicy()) for n in range(999))
    await kernel.apply(waiting_plan(WaitingPolicy(), *known))
    assert await is_stopped("host", "one", "two")
    await kernel.apply(waiting_plan(WaitingPolicy(), *known, (SOURCE, VpnPolicy())))
    assert await passes("host", "one", "two")
    assert await kernel.verify() == ()
