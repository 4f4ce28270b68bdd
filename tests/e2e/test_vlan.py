"""A WAN in a VLAN (802.1Q): networkd's own interface and the kernel's tags, without and with PPPoE in it.

The kernel of the machine that runs this may have no VLANs, so a program takes the tags off and on at the ISP's end.
It does not complete the checksums that a virtual card leaves to its other end: the gateway does.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from image.qemu import pppoe_server
from image.qemu.boot import boot
from image.qemu.capture import PERMITTED, Capture
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import VPN, WEB, Lab, until
from image.qemu.machine import Machine

NUMBER = 7
TAGGER = Path(__file__).parents[1] / "lab/tagger.py"
ISP = "isp7"  # the ISP's end, where the tags are off
USERNAME, PASSWORD = "me@provider.example", "a password"
VLAN = f"[network]\nwan_vlan = {NUMBER}\n"
PPPOE = f"{VLAN}[network.pppoe]\nusername = '{USERNAME}'\npassword = '{PASSWORD}'\n"
CONNECT = '[vpn]\nprovider = "imported"\nconnect = "home"\n'
TUNNEL = f"udp and dst host {VPN} and dst port 51820"


def test_a_vlan_carries_the_tunnel_and_nothing_else(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("vlan", checksums=True)
    with started(machine, bench, VLAN + CONNECT) as capture, bench.isp_at(ISP):
        boot(machine, bench)
        until(lambda: leaves_by_vpn(bench), 400, "the tunnel in the VLAN")
        wan = wan_of(bench)
        assert (wan["name"], wan["port"], wan["mtu"]) == ("wan-vlan", "wan", 1500)
        assert wan["addresses"][0].startswith("203.0.113.")
        assert f"vlan protocol 802.1Q id {NUMBER} " in machine.shell("ip -d link show dev wan-vlan")
        port_is_silent(machine)
        assert bench.api("POST", "/api/disconnect")[0] == 200
        assert bench.laptop_get(f"http://{WEB}/", timeout=3) is None
        assert leaks(capture) == []
        assert len(capture.packets(f"vlan {NUMBER} and {TUNNEL}")) > 5
        # The control: all locks broken on purpose.
        break_the_locks(machine)
        until(lambda: leaks(capture) != [], 10, "the leak made on purpose")


def test_pppoe_in_a_vlan_carries_the_tunnel_and_nothing_else(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("vlan-pppoe", checksums=True)
    with started(machine, bench, PPPOE + CONNECT) as capture, bench.isp_at(ISP):
        bench.spawn(bench.isp, sys.executable, pppoe_server.__file__, ISP, USERNAME, PASSWORD)
        boot(machine, bench)
        until(lambda: leaves_by_vpn(bench), 400, "the tunnel over PPPoE in the VLAN")
        wan = wan_of(bench)
        assert (wan["name"], wan["port"], wan["mtu"]) == ("wan-ppp", "wan", 1492)
        assert wan["addresses"] == [f"{pppoe_server.THEIRS}/32"]
        assert machine.shell("ip -o address show dev wan-vlan").strip() == ""
        port_is_silent(machine)
        assert capture.packets(f"not vlan {NUMBER}") == []
        assert capture.packets(f"vlan {NUMBER} and not (pppoed or pppoes)") == []
        assert len(capture.packets(f"vlan {NUMBER} and pppoes and {TUNNEL}")) > 5


@contextlib.contextmanager
def started(machine: Machine, bench: Lab, settings: str) -> Generator[Capture]:
    """The machine on, its WAN captured, and the ISP's end of the VLAN."""
    machine.write_boot_file("gateway.toml", settings)
    machine.write_boot_file("home.conf", bench.client_conf())
    machine.start()
    with Capture(bench, bench.isp, "wan0", machine.work / "wan.pcap", machine.wan.mac).running() as capture:
        bench.inside(bench.isp, "ip", "link", "set", "wan0", "up")
        tagger = bench.spawn(bench.isp, sys.executable, str(TAGGER), "wan0", ISP, str(NUMBER))
        there = ("test", "-e", f"/sys/class/net/{ISP}")
        until(lambda: bench.inside(bench.isp, *there, check=False).returncode == 0, 10, "the ISP's end")
        bench.inside(bench.isp, "ip", "link", "set", ISP, "up")
        try:
            yield capture
        finally:
            bench.stop(tagger)


def leaks(capture: Capture) -> list[str]:
    """Outside of the VLAN there is nothing, and in it what is permitted on any WAN."""
    permitted = " or ".join(f"({one})" for one in PERMITTED)
    return [*capture.packets(f"not vlan {NUMBER}"), *capture.packets(f"vlan {NUMBER} and not ({permitted})")]


def port_is_silent(machine: Machine) -> None:
    assert machine.shell("ip -o address show dev wan").strip() == ""
    assert "wan" not in machine.shell("ls /sys/class/net/br-lan/brif").split()


def wan_of(bench: Lab) -> dict[str, Any]:
    status, answer = bench.api("GET", "/api/status")
    assert status == 200
    assert isinstance(answer, dict)
    return answer["wan"]


def leaves_by_vpn(bench: Lab) -> bool:
    return bench.laptop_get(f"http://{WEB}/", timeout=4) == f"{VPN}\n"


def break_the_locks(machine: Machine) -> None:
    machine.shell(
        "systemctl stop vpn-gateway-netd; nft flush ruleset; ip rule flush; ip rule add pref 1 table main;"
        " for link in $(ls /sys/class/net); do tc qdisc del dev $link clsact; done"
    )
    machine.shell(f"ping -c 3 -W 1 {WEB} || true")
