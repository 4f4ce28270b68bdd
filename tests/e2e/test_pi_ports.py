"""The network ports of a Raspberry Pi 3, recognized by their USB paths, on QEMU's model of it."""

from __future__ import annotations

from typing import Any

import pytest

from image.qemu.boot import BOOT_TIMEOUT, LAPTOP
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until
from image.qemu.pi3 import DEBUG_SHELL, Pi3

PATIENCE = 600  # seconds


@pytest.mark.parametrize("plus", [False, True], ids=["3-b", "3-b-plus"])
def test_pi_3_boot_recognizes_the_onboard_port(new_machine: MakeMachine, bench: Lab, plus: bool) -> None:
    """smsc95xx on a 3 B, lan78xx behind a second hub on a 3 B+; each is recognized by its path (11-wan-pi3.link)."""
    machine = new_machine("pi3-plus" if plus else "pi3", kind=Pi3, extra_args=DEBUG_SHELL, plus=plus)
    assert isinstance(machine, Pi3)
    machine.start()
    machine.wait_started()
    bench.isp_up()
    bench.inside(bench.lan, "ip", "address", "replace", LAPTOP, "dev", "eth0")
    until(lambda: ports(bench), BOOT_TIMEOUT, "the API, by the adapter beside the port on the board")

    onboard, socket = machine.places
    wan = ports(bench)[f"usb-{onboard}@3f980000.usb"]
    assert (wan["name"], wan["role"], wan["driver"]) == ("wan", "wan", "cdc_ether")
    lan = ports(bench)[f"usb-{socket}@3f980000.usb"]
    assert (lan["name"][:3], lan["role"]) == ("enx", "lan")
    properties = machine.shell("udevadm info /sys/class/net/wan")
    assert f"ID_PATH=platform-3f980000.usb-usb-0:{onboard}:1.0\n" in properties
    assert "ID_NET_LINK_FILE=/etc/systemd/network/11-wan-pi3.link\n" in properties
    until(lambda: addresses(bench), PATIENCE, "an address from the ISP")
    assert addresses(bench)[0].startswith("203.0.113.")
    assert bench.lease(30).startswith("192.168.77.")


def status(bench: Lab) -> dict[str, Any]:
    code, answer = bench.api("GET", "/api/status", timeout=20)
    return answer if code == 200 and isinstance(answer, dict) else {"ports": [], "wan": None}


def ports(bench: Lab) -> dict[str, dict[str, Any]]:
    """By their place on the USB."""
    return {port["usb"]: port for port in status(bench)["ports"]}


def addresses(bench: Lab) -> list[str]:
    wan = status(bench)["wan"]
    return wan["addresses"] if wan else []
