"""The promise on the booted image: behind the VPN or nowhere, whatever breaks. In this order, on one machine."""

from __future__ import annotations

import time

from testinfra.host import Host

from image.qemu.boot import boot
from image.qemu.capture import Capture
from image.qemu.lab import VPN, WEB, Lab, until
from image.qemu.machine import Machine

SERVER = "e2e"


def exits_by_vpn(lab: Lab) -> bool:
    return lab.laptop_get(f"http://{WEB}/", timeout=4) == f"{VPN}\n"


def blocked(lab: Lab) -> bool:
    return lab.laptop_get(f"http://{WEB}/", timeout=3) is None


def try_to_leak(lab: Lab) -> None:
    """All that a LAN device could send out: TCP, UDP, ICMP, DNS to a resolver outside, IPv6, a spoofed source."""
    for command in (
        ("ping", "-c", "2", "-i", "0.2", "-W", "1", WEB),
        ("sh", "-c", f"for i in 1 2 3; do echo x | socat - UDP-SENDTO:{WEB}:9; done"),
        ("sh", "-c", f"echo x | socat -T 1 - UDP-SENDTO:{WEB}:53"),
        ("curl", "-sS", "--max-time", "2", f"http://{WEB}/"),
        ("ping", "-c", "1", "-W", "1", VPN),
        ("ping", "-6", "-c", "1", "-W", "1", "2001:db8::1"),
        ("sh", "-c", f"echo x | socat - UDP-SENDTO:{WEB}:9,bind=10.99.99.99,ip-freebind=1"),
    ):
        lab.inside("vgi-lan", *command, check=False)


def test_the_page_opens_on_both_ports(machine: Machine, lab: Lab) -> None:
    for port in (80, 5000):
        page = lab.laptop_get(f"http://192.168.77.1:{port}/")
        assert page is not None
        assert "<html" in page


def test_nothing_of_it_answers_on_the_wan(machine: Machine, lab: Lab) -> None:
    (address,) = [line.split()[2] for line in (lab.work / "isp.leases").read_text().splitlines()][-1:]
    for port in (22, 53, 80, 5000):
        done = lab.inside("vgi-isp", "socat", "-T", "1", "-", f"TCP:{address}:{port},connect-timeout=2", check=False)
        assert done.returncode != 0, port


def test_all_is_blocked_before_a_connection(machine: Machine, lab: Lab) -> None:
    assert blocked(lab)
    try_to_leak(lab)
    status, answer = lab.api("GET", "/api/status")
    assert (status, answer["connected"]) == (200, False)


def test_an_imported_server_carries_the_traffic(machine: Machine, lab: Lab) -> None:
    status, answer = lab.api("POST", "/api/import", {"name": SERVER, "config": lab.client_conf()})
    assert status in {200, 201}, answer
    assert lab.api("POST", "/api/provider/imported")[0] == 200
    status, answer = lab.api("POST", "/api/connect", {"server": SERVER})
    assert status == 200, answer
    until(lambda: exits_by_vpn(lab), 10, "the laptop's request to exit at the VPN server")


def test_the_tunnel_is_the_kernels(machine: Machine, host: Host) -> None:
    assert "wireguard" in host.check_output("ip -d link show type wireguard")
    assert not host.process.filter(comm="wireguard-go")


def test_memory_with_the_tunnel_up(machine: Machine, host: Host) -> None:
    total, available = (
        int(host.check_output(f"awk '/^{name}:/ {{ print $2 }}' /proc/meminfo"))
        for name in ("MemTotal", "MemAvailable")
    )
    used = (total - available) / 1024
    print(f"memory used with the tunnel up: {used:.0f} MB")
    assert used <= 160


def test_the_tunnel_outlives_a_killed_app(machine: Machine, lab: Lab, host: Host) -> None:
    before = host.check_output("systemctl show -P MainPID vpn-gateway-netd")
    host.check_output("systemctl kill --signal=KILL vpn-gateway-netd vpn-gateway-web")
    assert exits_by_vpn(lab)
    until(lambda: lab.api("GET", "/api/status", timeout=5)[0] == 200, 60, "the API after a kill")
    assert host.check_output("systemctl show -P MainPID vpn-gateway-netd") != before
    assert exits_by_vpn(lab)
    assert lab.api("GET", "/api/status")[1]["connected"] is True


def test_a_lost_tunnel_blocks_and_comes_back(machine: Machine, lab: Lab, host: Host) -> None:
    host.check_output("for i in $(ip -br link show type wireguard | cut -d' ' -f1); do ip link delete $i; done")
    try_to_leak(lab)
    until(lambda: exits_by_vpn(lab), 60, "the tunnel to come back")


def test_a_flushed_ruleset_is_put_back(machine: Machine, lab: Lab, host: Host) -> None:
    host.check_output("nft flush ruleset")
    try_to_leak(lab)
    until(lambda: host.run("nft list table inet vpn_gateway").rc == 0, 30, "the ruleset")
    until(lambda: exits_by_vpn(lab), 30, "the traffic after it")


def test_disconnected_is_blocked(machine: Machine, lab: Lab) -> None:
    assert lab.api("POST", "/api/disconnect")[0] == 200
    assert blocked(lab)
    try_to_leak(lab)


def test_it_comes_back_connected_after_a_restart(machine: Machine, lab: Lab, host: Host) -> None:
    assert lab.api("POST", "/api/connect", {"server": SERVER})[0] == 200
    until(lambda: exits_by_vpn(lab), 10, "the connection")
    machine.console.clear()
    host.run("systemctl reboot")
    machine.wait_console("Welcome to", 240)
    until(lambda: _leaking_try(lab) or exits_by_vpn(lab), 240, "the connection after the restart")


def _leaking_try(lab: Lab) -> bool:
    try_to_leak(lab)
    return False


def test_nothing_leaked(machine: Machine, lab: Lab, host: Host, capture: Capture) -> None:
    leaks = capture.leaks()
    print(f"captured on the WAN: {capture.count()} packets, {len(leaks)} leaks")
    assert leaks == []
    assert capture.count(f"udp and dst host {VPN} and dst port 51820") > 20


def test_the_capture_would_have_seen_a_leak(machine: Machine, lab: Lab, host: Host, capture: Capture) -> None:
    """The positive control: both locks broken on purpose, by the machine's own administrator."""
    host.check_output(
        "systemctl stop vpn-gateway-netd && nft flush ruleset && ip rule flush && ip rule add priority 1 table main"
        " && sysctl -qw net.ipv4.ip_forward=1"
    )
    lab.inside("vgi-lan", "ping", "-c", "3", "-i", "0.2", "-W", "1", WEB, check=False)
    until(lambda: capture.leaks() != [], 10, "the leak made on purpose")


def test_it_shuts_down_in_time(machine: Machine, lab: Lab, host: Host) -> None:
    start = time.monotonic()
    host.run("systemctl poweroff")
    machine.wait_off(120)
    print(f"shut down in {time.monotonic() - start:.0f} s")


def test_the_next_start_is_whole_again(machine: Machine, lab: Lab) -> None:
    machine.start()
    seconds = boot(machine, lab)
    until(lambda: exits_by_vpn(lab), 60, "the connection after power-on")
    print(f"power-on to API: {seconds:.0f} s")
