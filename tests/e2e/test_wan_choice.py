"""The WAN chosen by a command, where no port is known to be it: networkd follows without a restart.

``vpn-gateway-wan`` is the unit that tells networkd. Nobody reaches the page by cable before the WAN is known, so the
first choice is made on the machine itself.
"""

from __future__ import annotations

import json
from typing import Any

from image.qemu.boot import boot
from image.qemu.capture import Capture
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import VPN, WEB, Lab, until
from image.qemu.machine import Machine, MachineError

PATIENCE = 600  # seconds, emulated
ISP = "203.0.113.1"
PASSWORD = "correct horse battery staple"
CARD = f'''
[system]
admin_password = "{PASSWORD}"
[vpn]
provider = "imported"
connect = "home"
'''
OWNER = "HOME=/run/owner"
FILE = "/run/systemd/network/15-wan.network"


def test_networkd_follows_the_chosen_wan(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("wan-choice", first_slot=6)
    machine.write_boot_file("gateway.toml", CARD)
    machine.write_boot_file("home.conf", bench.client_conf())
    machine.start()
    capturing = Capture(bench, bench.isp, "wan0", machine.work / "wan.pcap", machine.wan.mac).running()
    with capturing as capture, bench.signed_in(PASSWORD):
        bench.isp_up()
        until(lambda: is_active(machine, "vpn-gateway-web"), PATIENCE, "the web interface, which the command line asks")
        sign_in(machine)
        until(lambda: roles(machine) == {machine.wan.mac: "none", machine.lan.mac: "none"}, PATIENCE, "two ports")
        port = name(machine, machine.wan.mac)
        assert not port.startswith("wan")
        assert (routes(machine), runs_of_the_unit(machine), capture.count()) == ([], 0, 0)

        said = machine.shell(f"{OWNER} vpn-gateway wan {machine.wan.mac}", timeout=PATIENCE)
        assert said == f"The WAN is {port} now.\n"
        until(lambda: routes(machine) == [(ISP, port, "dhcp")], PATIENCE, "the default route")
        assert runs_of_the_unit(machine) > 0
        assert f"PermanentMACAddress={machine.wan.mac}" in machine.shell(f"cat {FILE}")
        boot(machine, bench)
        assert roles(machine) == {machine.wan.mac: "wan", machine.lan.mac: "lan"}
        until(lambda: leaves_by_vpn(bench), PATIENCE, "the tunnel")

        # As the page does it: not chosen any more, then again.
        assert put(bench, None)["problem"]["reason"] == "wan_unknown"
        until(lambda: not routes(machine) and machine.shell(f"ls {FILE} 2>/dev/null") == "", PATIENCE, "its release")
        assert bench.laptop_get(f"http://{WEB}/", timeout=3) is None
        assert put(bench, machine.wan.mac)["interface"] == port
        until(lambda: routes(machine) == [(ISP, port, "dhcp")], PATIENCE, "the default route, again")
        until(lambda: leaves_by_vpn(bench), PATIENCE, "the tunnel, again")

        machine.shell("systemctl --no-block poweroff")
        machine.wait_off(PATIENCE)
        machine.start()
        boot(machine, bench)
        sign_in(machine)
        assert roles(machine) == {machine.wan.mac: "wan", machine.lan.mac: "lan"}
        until(lambda: routes(machine) == [(ISP, port, "dhcp")], PATIENCE, "the default route after a restart")
        until(lambda: leaves_by_vpn(bench), PATIENCE, "the tunnel after a restart")
        assert capture.leaks() == []
        assert len(capture.packets(f"udp and dst host {VPN} and dst port 51820")) > 5


def is_active(machine: Machine, unit: str) -> bool:
    """Whether the unit runs; False until the debug shell is there."""
    try:
        return machine.shell(f"systemctl is-active {unit}.service", timeout=30).strip() == "active"
    except (OSError, MachineError):
        return False


def sign_in(machine: Machine) -> None:
    # Without a terminal, from which it would read the password.
    login = f"echo {PASSWORD} | {OWNER} setsid --wait vpn-gateway login 2>&1"
    said = machine.shell(f"mkdir -p -m 700 /run/owner && {login}", timeout=120)
    assert "Signed in" in said, said


def roles(machine: Machine) -> dict[str, str]:
    """The role of each port, by its MAC address."""
    said = machine.shell(f"{OWNER} vpn-gateway --json ports", timeout=PATIENCE)
    assert said.startswith("{"), said
    return {p["mac"]: p["role"] for p in json.loads(said)["ports"]}


def name(machine: Machine, mac: str) -> str:
    return next(link["ifname"] for link in json.loads(machine.shell("ip -j link")) if link["address"] == mac)


def routes(machine: Machine) -> list[tuple[str, str, str]]:
    """Router, interface and origin of each default route in main."""
    found: list[dict[str, str]] = json.loads(machine.shell("ip -4 -j route show default") or "[]")
    return [(route.get("gateway", ""), route["dev"], route["protocol"]) for route in found]


def runs_of_the_unit(machine: Machine) -> int:
    log = machine.shell("journalctl -b -q -o cat -u vpn-gateway-wan.service")
    assert "Failed" not in log, log
    return log.count("Finished ")


def put(bench: Lab, port: str | None) -> dict[str, Any]:
    status, answer = bench.api("PUT", "/api/wan", {"port": port})
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


def leaves_by_vpn(bench: Lab) -> bool:
    return bench.laptop_get(f"http://{WEB}/", timeout=4) == f"{VPN}\n"
