"""The network ports of a Raspberry Pi 3, recognized by their USB paths, on QEMU's model of it."""

from __future__ import annotations

from typing import Any

from image.qemu.boot import BOOT_TIMEOUT, LAPTOP
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until
from image.qemu.pi3 import DEBUG_SHELL, Pi3

PATIENCE = 600  # seconds


def test_pi_3_boot_recognizes_the_onboard_port(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("pi3", kind=Pi3, extra_args=DEBUG_SHELL)
    assert isinstance(machine, Pi3)
    machine.start()
    machine.wait_started()
    bench.isp_up()
    bench.inside(bench.lan, "ip", "address", "replace", LAPTOP, "dev", "eth0")
    until(lambda: ports(bench), BOOT_TIMEOUT, "the API, by the adapter beside the port on the board")

    # 3 B: the port on the board, smsc95xx there, is recognized by its path (11-wan-pi3.link).
    wan = ports(bench)["usb-1.1@3f980000.usb"]
    assert (wan["name"], wan["role"], wan["driver"]) == ("wan", "wan", "cdc_ether")
    lan = ports(bench)["usb-1.2@3f980000.usb"]
    assert (lan["name"][:3], lan["role"]) == ("enx", "lan")
    properties = machine.shell("udevadm info /sys/class/net/wan")
    assert "ID_PATH=platform-3f980000.usb-usb-0:1.1:1.0\n" in properties
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
