"""Before the first start, and while the gateway goes down: the LAN is there and the app is not."""

from __future__ import annotations

import os
import time

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import LAN_HOSTS, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]


@pytest.fixture
def cold():
    lab = Lab(f"cold{os.getpid()}")
    try:
        yield lab.up(app=False)
    finally:
        lab.down()


def test_before_the_first_start_and_at_shutdown(cold, capsys):
    lab = cold
    for number, host in enumerate(LAN_HOSTS):  # no DHCP server yet, so the hosts help themselves
        lab.hosts[host].shell(f"ip addr add 192.168.77.{200 + number}/24 dev eth0")
    lab.hosts["gateway"].shell("ip addr add 192.168.77.1/24 dev lan0; ip link set lan0 up")
    with LeakWatch(lab) as before:
        lab.gateway.seed()
        lab.gateway.boot()
        time.sleep(3)  # links up, WAN up, forwarding on, hosts sending, and no app yet
    assert before.leaks == [], dump(before.leaks)

    lab.api.listen()
    with LeakWatch(lab) as watch:
        lab.gateway.start_app()
        lab.gateway.wait_ready()
        lab.gateway.add_servers()
        assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
        lab.gateway.stop_app()
        time.sleep(2)
        lab.hosts["gateway"].shell("for i in wg0a wg0b; do ip link del $i 2>/dev/null || true; done")
        time.sleep(1)
        lab.gateway.start_app()
        lab.gateway.wait_ready()
        wait_for("the tunnel, without being asked", lambda: lab.api("GET", "/api/status").get("connected"))
    with capsys.disabled():
        print(f"\n  before the first start: {dict(before.counts)}\n  start and shutdown: {dict(watch.counts)}")
    assert watch.leaks == [], dump(watch.leaks)
    assert VPNS
