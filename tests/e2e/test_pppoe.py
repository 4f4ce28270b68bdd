"""PPPoE as the WAN: pppd and the kernel on the image, and a provider's end that needs no kernel for it."""

from __future__ import annotations

import sys

from image.qemu import pppoe_server
from image.qemu.boot import boot
from image.qemu.capture import Capture
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import VPN, WEB, Lab, until
from image.qemu.machine import Machine

USERNAME, PASSWORD = "0123456@provider.example", "s3cret \"of the\\ letter#'"
FILE = f"[network.pppoe]\nusername = '{USERNAME}'\npassword = '''{PASSWORD}'''\n"
CONNECT = '[vpn]\nprovider = "imported"\nconnect = "home"\n'

# What may be on the wire inside the session, and outside of it.
INSIDE = f"(udp and dst host {VPN} and dst port 51820) or (udp and dst port 123)"
OUTSIDE = "pppoed or pppoes"


def test_a_session_carries_the_tunnel_and_nothing_else(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("pppoe")
    machine.write_boot_file("gateway.toml", FILE + CONNECT)
    machine.write_boot_file("home.conf", bench.client_conf())
    machine.start()
    with Capture(bench, bench.isp, "wan0", machine.work / "wan.pcap", machine.wan.mac).running() as capture:
        bench.inside(bench.isp, "ip", "link", "set", "wan0", "up")
        bench.spawn(bench.isp, sys.executable, pppoe_server.__file__, "wan0", USERNAME, PASSWORD)
        boot(machine, bench)
        until(lambda: leaves_by_vpn(bench), 400, "the tunnel over PPPoE")
        looks_right(machine, bench)
        keeps_the_password(machine)

        # A session that ends is started again, and the LAN stays up.
        before = machine.shell("systemctl show -P MainPID vpn-gateway-pppoe")
        machine.shell("systemctl kill --signal=KILL vpn-gateway-pppoe")
        assert bench.api("GET", "/api/status")[0] == 200
        until(lambda: leaves_by_vpn(bench), 300, "the tunnel over the next session")
        assert machine.shell("systemctl show -P MainPID vpn-gateway-pppoe") != before
        assert bench.api("POST", "/api/disconnect")[0] == 200
        assert bench.laptop_get(f"http://{WEB}/", timeout=3) is None
        assert leaks(capture) == []
        assert len(capture.packets(f"pppoes and udp and dst host {VPN} and dst port 51820")) > 5

        # The control: all locks broken on purpose.
        machine.shell(
            "systemctl stop vpn-gateway-netd; nft flush ruleset; ip rule flush; ip rule add pref 1 table main;"
            " for link in $(ls /sys/class/net); do tc qdisc del dev $link clsact; done"
        )
        machine.shell(f"ping -c 3 -W 1 {WEB} || true")
        until(lambda: leaks(capture) != [], 10, "the leak made on purpose")


def leaves_by_vpn(bench: Lab) -> bool:
    return bench.laptop_get(f"http://{WEB}/", timeout=4) == f"{VPN}\n"


def leaks(capture: Capture) -> list[str]:
    """The port under the session says nothing of its own; in the session there is the tunnel."""
    return [
        *capture.packets(f"not ({OUTSIDE})"),
        *capture.packets(f"pppoes and ip and not ({INSIDE})"),
        *capture.packets("pppoes and ip6"),
    ]


def looks_right(machine: Machine, bench: Lab) -> None:
    status, answer = bench.api("GET", "/api/status")
    assert status == 200
    wan = answer["wan"]  # type: ignore[index]
    assert (wan["name"], wan["port"], wan["mtu"]) == ("wan-ppp", "wan", 1492)
    assert (wan["addresses"], wan["gateway4"]) == ([f"{pppoe_server.THEIRS}/32"], pppoe_server.OURS)
    assert wan["nameservers"] == [pppoe_server.RESOLVER]
    assert machine.shell("cat /sys/class/net/wg0*/mtu").split() == ["1412"]
    assert machine.shell("ip -o address show dev wan").strip() == ""
    assert "wan" not in machine.shell("ls /sys/class/net/br-lan/brif").split()


def keeps_the_password(machine: Machine) -> None:
    """Not on the card, in no argument, in no log, and for root alone where it is."""
    for command in ("cat /boot/firmware/gateway.toml", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", "journalctl -b"):
        assert "s3cret" not in machine.shell(command), command
    assert machine.shell("stat -c '%U %a' /run/vpn-gateway-setup/pppoe/options").split() == ["root", "600"]
