"""Two network cards of which neither is the port on the board; and a third with a router of its own behind it."""

from __future__ import annotations

import json
import sys

from image.qemu.boot import boot
from image.qemu.capture import Capture
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until
from image.qemu.machine import Machine, MachineError, Port
from tests.support.frames import SOURCE, Kind, frame

PATIENCE = 600  # seconds, emulated
LAPTOP = "203.0.113.77/24"  # an address of the ISP's network
ISP = "203.0.113.1"
LAPTOP_MAC = "52:54:00:12:34:77"
SEND = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((sys.argv[1], 0)); s.send(bytes.fromhex(sys.argv[2]))
"""


def test_nothing_passes_until_the_wan_is_named(new_machine: MakeMachine, bench: Lab) -> None:
    stray = Port(bench.vpn, "stray0", "52:54:00:12:34:03")
    machine = new_machine("wiring", first_slot=6, more=(stray,))
    machine.start()
    until(lambda: shell(machine, "systemctl is-active vpn-gateway-netd").strip() == "active", PATIENCE, "netd")
    bench.isp_up()
    bench.inside(bench.lan, "ip", "link", "set", "eth0", "address", LAPTOP_MAC)
    bench.inside(bench.lan, "ip", "address", "replace", LAPTOP, "dev", "eth0")
    with Capture(bench, bench.isp, "wan0", machine.work / "apart.pcap", LAPTOP_MAC).running() as capture:
        assert in_bridge(machine) == []
        assert not pings(bench)
        put_all_into_the_bridge(machine)  # however they get there
        assert not pings(bench)
        until(lambda: in_bridge(machine) == [], 120, "the ports' release")
        report = until(lambda: machine.shell("cat /boot/firmware/gateway-report.txt 2>/dev/null"), 300, "the report")
        assert capture.count() == 0, capture.packets()
        # The control: without the locks, and without netd to put it back, the same frames are on the ISP's wire.
        machine.shell(
            "systemctl stop vpn-gateway-netd; nft delete table bridge vpn_gateway;"
            " for link in $(ls /sys/class/net); do tc qdisc del dev $link clsact; done; true"
        )
        put_all_into_the_bridge(machine)
        until(lambda: pings(bench), 60, "the control")
        until(capture.count, 10, "the control in the capture")
    for port in machine.ports:
        assert port.mac in str(report)
    machine.kill()

    machine.write_boot_file("gateway.toml", f'[network]\nwan = "{machine.wan.mac}"\n')
    machine.start()
    boot(machine, bench)
    until(lambda: "gateway-report.txt" not in machine.shell("ls /boot/firmware"), 300, "the report to go")
    ports = {p["mac"]: p["role"] for p in status(bench)["ports"]}
    assert ports == {machine.wan.mac: "wan", machine.lan.mac: "lan", stray.mac: "lan"}
    assert status(bench)["wan"]["addresses"][0].startswith("203.0.113.")

    with Capture(bench, bench.lan, "eth0", machine.work / "stray.pcap", SOURCE).running() as capture:
        for kind in ("advertisement", "dhcp"):
            say(bench, kind)
        until(lambda: status(bench)["drops"]["foreign_router"] >= 2, 120, "both to be counted")
        assert capture.count() == 0, capture.packets()
        until(lambda: "another DHCP server on the LAN port" in journal(machine), 120, "the alert")
        # The control: once the port is let off, what a host says behind it passes.
        machine.shell("nft flush set bridge vpn_gateway foreign_dhcp")
        say(bench, "host")
        until(capture.count, 30, "the control in the capture")


def shell(machine: Machine, command: str) -> str:
    """What the debug shell answers; nothing while there is none yet."""
    try:
        return machine.shell(command, timeout=20)
    except (OSError, MachineError):
        return ""


def journal(machine: Machine) -> str:
    return machine.shell("journalctl -q -o cat -u vpn-gateway-netd")


def in_bridge(machine: Machine) -> list[str]:
    return [link["ifname"] for link in json.loads(machine.shell("ip -j link show master br-lan") or "[]")]


def put_all_into_the_bridge(machine: Machine) -> None:
    machine.shell("cd /sys/class/net && for port in enp*; do ip link set $port master br-lan; done")


def pings(bench: Lab) -> bool:
    return bench.inside(bench.lan, "ping", "-c", "2", "-i", "0.5", "-W", "2", ISP, check=False).returncode == 0


def status(bench: Lab) -> dict:
    code, answer = bench.api("GET", "/api/status")
    assert code == 200
    assert isinstance(answer, dict)
    return answer


def say(bench: Lab, kind: Kind) -> None:
    bench.inside(bench.vpn, sys.executable, "-c", SEND, "stray0", frame(kind).hex())
