"""The rate of forwarding on the booted image, with a thousand devices and sixteen exits, beside bare masquerade.

Through the tunnel, whose established connections the image's kernel takes past the rules (nf_flow_table), and in the
clear, where each packet meets all of them. Both gateways are the same machine, one after the other: it is given up for
the second, which keeps the tunnel. The daemons are stopped for both: no packet passes them, and an emulated processor
that they share with the packets would measure them instead.
"""

from __future__ import annotations

import contextlib
import json
import statistics
from typing import Any

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine, Measure
from image.qemu.lab import VPN, WEB, Lab, until
from image.qemu.machine import Machine

PATIENCE = 600  # seconds, emulated
PASSWORD = "correct horse battery staple"
CARD = f'''
[system]
admin_password = "{PASSWORD}"
[vpn]
provider = "imported"
connect = "home"
'''
DEVICES, EXITS = 1000, 16
AT_ONCE = 100  # operations of one request
ROUNDS, SECONDS = 7, 2
LEAST = 0.97
DAEMONS = "vpn-gateway-netd vpn-gateway-web vpn-gateway-capture"
# Everything of the gateway's is taken away; its ports, addresses, names and the tunnel stay.
BARE = """
systemctl stop {daemons}
nft flush ruleset
for link in $(ls /sys/class/net); do tc qdisc del dev $link clsact 2>/dev/null; done
ip rule flush; ip rule add pref 32766 table main
ip route replace {vpn} via {isp} dev {wan}
sysctl -qw net.ipv4.ip_forward=1
nft add table ip bare
nft add chain ip bare nat "{{ type nat hook postrouting priority srcnat; }}"
nft add rule ip bare nat oifname "{{ {wan}, {tunnel} }}" masquerade
nft add chain ip bare mss "{{ type filter hook forward priority mangle; }}"
nft add rule ip bare mss "tcp flags syn tcp option maxseg size set rt mtu"
"""
ISP, WAN = "203.0.113.1", "203.0.113."


def test_forwarding_is_measured_beside_bare_masquerade(new_machine: MakeMachine, bench: Lab, measure: Measure) -> None:
    machine = new_machine("forwarding")
    machine.write_boot_file("gateway.toml", CARD)
    machine.write_boot_file("home.conf", bench.client_conf())
    machine.start()
    boot(machine, bench)
    server = bench.spawn(bench.net, "iperf3", "-s")
    ours, theirs = {}, {}
    try:
        with bench.signed_in(PASSWORD):
            fill(bench)
            ours["tunnel"] = ours_with(bench, machine, "vpn")
            machine.shell(f"systemctl start {DAEMONS}", timeout=PATIENCE)
            ours["clear"] = ours_with(bench, machine, "direct")
        wan = name(machine, machine.wan.mac)
        tunnel = json.loads(machine.shell("ip -j link show type wireguard"))[0]["ifname"]
        machine.shell(BARE.format(daemons=DAEMONS, wan=wan, tunnel=tunnel, vpn=VPN, isp=ISP).strip(), timeout=PATIENCE)
        assert "bare" in machine.shell("nft list tables")
        for way, route in (("tunnel", f"dev {tunnel}"), ("clear", f"via {ISP} dev {wan}")):
            machine.shell(f"ip route replace {WEB} {route}")  # networkd has one to it: it is a time server as well
            until(lambda: caller(bench), 60, "the bare gateway to forward")
            assert (caller(bench) == VPN) == (way == "tunnel")
            theirs[way] = rates(bench)
        assert machine.shell("nft list tables").split() == ["table", "ip", "bare"]
    finally:
        bench.stop(server)
    for way, mine in ours.items():
        text = f"forwarding, {way}: {statistics.median(mine):.0f} ({min(mine):.0f} to {max(mine):.0f}) / bare"
        measure(f"{text} {statistics.median(theirs[way]):.0f} Mbit/s", ratio(mine, theirs[way]), "x")
    assert ratio(ours["tunnel"], theirs["tunnel"]) >= LEAST


def ours_with(bench: Lab, machine: Machine, policy: str) -> list[float]:
    """The rates of the laptop with ``policy``; the daemons are stopped then."""
    mac = json.loads(bench.inside(bench.lan, "ip", "-j", "link", "show", "eth0").stdout)[0]["address"]
    path, body = f"/api/devices/{mac}/policy", {"policy": policy, "password": PASSWORD}
    until(lambda: bench.api("PUT", path, body, timeout=PATIENCE)[0] == 200, PATIENCE, "the policy")
    until(lambda: (caller(bench) or "").startswith(VPN if policy == "vpn" else WAN), PATIENCE, "the way out")
    machine.shell(f"systemctl stop {DAEMONS}", timeout=PATIENCE)
    return rates(bench)


def ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(ours) / statistics.median(theirs)


def caller(bench: Lab) -> str | None:
    """The address that the web server sees; None where there is no way."""
    seen = bench.laptop_get(f"http://{WEB}/", timeout=3)
    return seen.strip() if seen is not None else None


def fill(bench: Lab) -> None:
    for number in range(EXITS - 1):
        ask(bench, "POST", "/api/exits", {"name": f"bench{number}"})
    policies = [f"vpn:bench{number}" for number in range(EXITS - 1)] + ["vpn", "blocked"]
    operations = [
        {
            "op": "set_device_policy",
            "mac": f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}",
            "policy": policies[number % len(policies)],
        }
        for number in range(DEVICES - 1)
    ]
    for start in range(0, len(operations), AT_ONCE):
        ask(bench, "POST", "/api/bulk", {"operations": operations[start : start + AT_ONCE]})


def ask(bench: Lab, method: str, path: str, body: dict[str, Any]) -> None:
    status, answer = bench.api(method, path, body, timeout=PATIENCE)
    assert status in {200, 201}, answer


def rate(bench: Lab) -> float:
    """The rate of one TCP stream in megabits a second. Raises AssertionError where iperf3 did not get to its end."""
    done = bench.inside(bench.lan, "iperf3", "-c", WEB, "-t", str(SECONDS), "-O", "1", "-J", check=False)
    said = json.loads(done.stdout)
    assert "sum_received" in said.get("end", {}), said.get("error", done.stdout)
    return float(said["end"]["sum_received"]["bits_per_second"]) / 1e6


def rates(bench: Lab) -> list[float]:
    """Several of them. The first is not counted: the server may have one test yet to end, and the way is new."""
    with contextlib.suppress(AssertionError):
        rate(bench)
    return [rate(bench) for _ in range(ROUNDS)]


def name(machine: Machine, mac: str) -> str:
    return next(link["ifname"] for link in json.loads(machine.shell("ip -j link")) if link["address"] == mac)
