"""A port that stops sending while packets wait in it is taken down and up; one that is merely idle or busy is not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from app.netd.stalls import RESTART_INTERVAL, STALL_TIMEOUT, StallMonitor
from app.network import transmit
from app.protocol.events import GatewayEvent, SecurityAlert
from tests.kernel.namespace import inside, run

pytestmark = pytest.mark.kernel

PORT = "wan"
STUCK = "tbf rate 100bit burst 1600 limit 20000"  # a packet of full size takes two minutes


class Gateway:
    """The watch over the port, with a clock of the test's own; the port has a neighbour that takes everything."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.published: list[SecurityAlert] = []
        self.stalls = StallMonitor(ports=lambda: [PORT], publish=self._take, clock=lambda: self.now)
        run(f"ip link add {PORT} type veth peer name far")
        run("ip link set far up")
        run(f"ip address add 10.9.9.1/24 dev {PORT}")
        run(f"ip link set {PORT} up")
        self.address = Path("/sys/class/net/far/address").read_text().strip()
        self.neighbour()

    def _take(self, event: GatewayEvent) -> None:
        assert isinstance(event, SecurityAlert)
        self.published.append(event)

    def neighbour(self) -> None:
        run(f"ip neighbour replace 10.9.9.2 lladdr {self.address} dev {PORT}")

    def send(self, packets: int = 8) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(packets):
                sock.sendto(bytes(1400), ("10.9.9.2", 9))

    async def look(self, after: float = 0.0) -> list[str]:
        self.now += after
        await self.stalls.check()
        return [event.reason for event in self.published]


@inside
async def test_port_that_sends_nothing_while_packets_wait_restarts():
    gateway = Gateway()
    run(f"tc qdisc replace dev {PORT} root {STUCK}")
    gateway.send()
    downs = carrier_downs()
    assert await transmit.queued(PORT) > 0
    assert await gateway.look() == []
    assert await gateway.look(STALL_TIMEOUT - 0.1) == []
    assert await gateway.look(0.2) == ["port_stalled"]
    assert gateway.published[0].port == PORT
    assert carrier_downs() == downs + 1
    assert await transmit.queued(PORT) == 0
    assert Path(f"/sys/class/net/{PORT}/operstate").read_text().strip() == "up"

    gateway.neighbour()
    gateway.send()
    assert await gateway.look() == ["port_stalled"]
    assert await gateway.look(STALL_TIMEOUT + 0.1) == ["port_stalled"], "too soon after the last"
    assert await gateway.look(RESTART_INTERVAL) == ["port_stalled"] * 2


@inside
async def test_a_port_with_nothing_to_send_is_left_alone():
    gateway = Gateway()
    run(f"tc qdisc replace dev {PORT} root {STUCK}")
    downs = carrier_downs()
    for _ in range(5):
        assert await gateway.look(STALL_TIMEOUT) == []
    assert carrier_downs() == downs


@inside
async def test_a_port_that_sends_slowly_is_left_alone():
    gateway = Gateway()
    run(f"tc qdisc replace dev {PORT} root tbf rate 100kbit burst 1600 limit 2000000")  # a packet in 0.1 s
    gateway.send(100)
    downs = carrier_downs()
    for _ in range(4):
        assert await gateway.look(STALL_TIMEOUT) == []
        assert await transmit.queued(PORT) > 0
        await asyncio.sleep(0.3)
    assert carrier_downs() == downs


@inside
async def test_a_port_that_is_pulled_out_is_no_trouble():
    gateway = Gateway()
    run(f"tc qdisc replace dev {PORT} root {STUCK}")
    gateway.send()
    assert await gateway.look() == []
    run(f"ip link delete {PORT}")
    assert await gateway.look(STALL_TIMEOUT + 1) == []


def carrier_downs() -> int:
    return int(Path(f"/sys/class/net/{PORT}/carrier_down_count").read_text())
