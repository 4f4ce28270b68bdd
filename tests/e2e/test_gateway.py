"""The promise on the booted image: behind the VPN or nowhere, whatever breaks. In this order, on one machine."""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import sys
import time
from typing import Any

from testinfra.host import Host

from image.qemu.boot import SshKey, boot
from image.qemu.capture import Capture
from image.qemu.fixtures import Measure, memory_used, owner
from image.qemu.lab import SECOND_VPN, TV_MAC, VPN, WEB, Lab, until
from image.qemu.machine import Machine

SERVER = "e2e"
OTHER, TELEVISION = "e2e-second", "television"  # a server, and the exit that has it to itself
PASSWORD = "correct-horse-battery"
LAPTOPS, TVS, IN_THE_CLEAR = 7001, 7002, 7003  # ports of the web server's host: who sends there, or how
TV_SECONDS = 20  # for which it is direct
CONNECTS = 7
# The time of it in seconds; the end of it is none of it.
WG_QUICK = (
    "ip netns exec beside bash -ec 'TIMEFORMAT=%R; conf=/run/beside/wgq.conf;"
    " { time wg-quick up $conf >/run/beside/log 2>&1; } 2>&1; wg-quick down $conf >>/run/beside/log 2>&1'"
)
HOLD = 8  # seconds before the end at which netd is stopped; far from the 30 after which systemd's watchdog ends it
OF_THE_TV = f"udp and dst host {WEB} and dst port {IN_THE_CLEAR}"  # meant to be in the clear; nobody else sends there


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
        ("curl", "-sS", "--max-time", "1", f"http://{WEB}/"),
        ("ping", "-c", "1", "-W", "1", VPN),
        ("ping", "-6", "-c", "1", "-W", "1", "2001:db8::1"),
        ("sh", "-c", f"echo x | socat - UDP-SENDTO:{WEB}:9,bind=10.99.99.99,ip-freebind=1"),
    ):
        assert shutil.which(command[0]), f"no {command[0]}: what sends nothing proves nothing"
        lab.inside(lab.lan, *command, check=False)


def test_the_page_opens_on_both_ports(machine: Machine, lab: Lab) -> None:
    for port in (80, 5000):
        page = lab.laptop_get(f"http://192.168.77.1:{port}/")
        assert page is not None
        assert "<html" in page


# One question by multicast from a port of its own, which is answered to that port (RFC 6762, 6.7).
ASK_MDNS = """
import json, socket, subprocess, sys
import dns.message, dns.rdatatype
links = json.loads(subprocess.check_output(["ip", "-j", "-4", "address", "show", "scope", "global", "up"]))
own = next(a["local"] for link in links if link["ifname"] != "lo" for a in link["addr_info"])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.settimeout(2)
    for _ in range(3):
        sock.sendto(dns.message.make_query("vpn-gateway.local", "A").to_wire(), ("224.0.0.251", 5353))
        try:
            answer = dns.message.from_wire(sock.recv(9000), ignore_trailing=True)
        except TimeoutError:
            continue
        print(*(item for found in answer.answer if found.rdtype == dns.rdatatype.A for item in found))
        break
"""


def test_its_name_is_answered_on_the_lan_and_not_on_the_wan(machine: Machine, lab: Lab) -> None:
    assert lab.inside(lab.lan, sys.executable, "-c", ASK_MDNS).stdout.split() == ["192.168.77.1"]
    assert lab.inside(lab.isp, sys.executable, "-c", ASK_MDNS).stdout.split() == []


def test_nothing_of_it_answers_on_the_wan(machine: Machine, lab: Lab) -> None:
    (address,) = [line.split()[2] for line in (lab.work / "isp.leases").read_text().splitlines()][-1:]
    for port in (22, 53, 80, 5000):
        done = lab.inside(lab.isp, "socat", "-T", "1", "-", f"TCP:{address}:{port},connect-timeout=2", check=False)
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
    until(lambda: exits_by_vpn(lab), 60, "the laptop's request to exit at the VPN server")


def test_the_tunnel_is_the_kernels(machine: Machine, inside: Host) -> None:
    assert "wireguard" in inside.check_output("ip -d link show type wireguard")
    assert not inside.process.filter(comm="wireguard-go")


def test_the_canarys_probes_are_seen_and_leak_nothing(machine: Machine, lab: Lab) -> None:
    """The process that watches, its packet sockets and the cable into the bridge: the image's kernel and sandbox."""
    shown = until(lambda: proven(lab), 180, "a round of the canary that proves something")
    assert shown["leaked"] == 0, shown
    assert shown["shut"] is None


def proven(lab: Lab) -> dict[str, Any] | None:
    status, answer = lab.api("GET", "/api/canary")
    well = status == 200 and isinstance(answer, dict) and answer["rounds"] > 0 and answer["problem"] is None
    return answer if well else None


def test_memory_with_the_tunnel_up(machine: Machine, inside: Host, measure: Measure) -> None:
    used = memory_used(inside)
    measure("memory used with the tunnel up", used, "MB", 160)
    assert used <= 160


def test_connecting_is_measured_beside_wg_quick(lab: Lab, inside: Host, measure: Measure) -> None:
    """Until the handshake here; ``wg-quick up`` of the same file returns before its own, in a namespace by itself."""
    conf = "".join(line for line in lab.client_conf().splitlines(keepends=True) if not line.startswith("DNS"))
    try:
        inside.check_output("ip netns add beside")
        inside.check_output(f"mkdir -m 700 /run/beside && printf %s {shlex.quote(conf)} > /run/beside/wgq.conf")
        ours, theirs = [], []
        for _ in range(CONNECTS):
            assert lab.api("POST", "/api/disconnect")[0] == 200
            began = time.monotonic()
            status, answer = lab.api("POST", "/api/connect", {"server": SERVER})
            ours.append(time.monotonic() - began)
            assert status == 200, answer
            theirs.append(float(inside.check_output(WG_QUICK)))
    finally:
        inside.run("rm -rf /run/beside; ip netns delete beside")
    mine, other = statistics.median(ours), statistics.median(theirs)
    measure("connect by the API until the handshake", mine * 1000, "ms")
    measure("connect by the API / wg-quick up, medians", mine / other, "x", 1.0)


def test_each_device_leaves_by_its_own_exit(machine: Machine, lab: Lab, inside: Host, capture: Capture) -> None:
    """Another exit, made by the API, and a device without a lease that takes it; then some seconds in the clear."""
    ways = ((lab.lan, LAPTOPS, VPN), (lab.tv, TVS, SECOND_VPN))
    with owner(inside, PASSWORD), lab.signed_in(PASSWORD), lab.second_vpn() as server, lab.second_device() as tv:
        ask(lab, "POST", "/api/custom/add", {"name": OTHER, **server})
        made = {"name": TELEVISION, "provider": "custom", "target": OTHER, "auto_connect": False}
        ask(lab, "POST", "/api/exits", made)
        try:
            until(lambda: leaves_at(lab, tv) == VPN, 60, "the TV by the exit that everybody has")
            ask(lab, "PUT", f"/api/devices/{TV_MAC}/policy", {"policy": f"vpn:{TELEVISION}"})
            assert leaves_at(lab, tv) is None  # its exit has no tunnel yet, and nobody else's is taken
            ask(lab, "POST", "/api/connect", {"exit": TELEVISION})
            until(lambda: leaves_at(lab, tv) == SECOND_VPN, 60, "the TV by its own exit")
            with Capture(lab, lab.net, "eth0", machine.work / "ways.pcap", isp_mac(lab)).running() as arrived:
                for namespace, port, _ in ways * 3:
                    send(lab, namespace, port)
                for _, port, server_address in ways:
                    until(lambda e=f"udp and dst port {port}": arrived.count(e), 20, f"packets to port {port}")
                    assert arrived.packets(f"udp and dst port {port} and not src host {server_address}") == []
            ask(lab, "POST", "/api/disconnect", {"exit": TELEVISION})
            assert leaves_at(lab, tv) is None
            assert exits_by_vpn(lab)
            a_while_in_the_clear(lab, inside, capture)
        finally:
            ask(lab, "DELETE", f"/api/devices/{TV_MAC}")
            ask(lab, "DELETE", f"/api/exits/{TELEVISION}", {"then": "default"})
            ask(lab, "DELETE", f"/api/custom/remove/{OTHER}")


def a_while_in_the_clear(lab: Lab, inside: Host, capture: Capture) -> None:
    """The TV is direct for some seconds; the kernel ends that, since netd is held still over the end."""
    wish = {"device": TV_MAC, "policy": "direct", "for": TV_SECONDS, "password": PASSWORD}
    ask(lab, "POST", "/api/exceptions", wish)
    end = time.monotonic() + TV_SECONDS
    until(lambda: send(lab, lab.tv, IN_THE_CLEAR) or capture.count(OF_THE_TV), 10, "the TV in the clear")
    assert exits_by_vpn(lab)
    until(lambda: time.monotonic() > end - HOLD, TV_SECONDS, "the last seconds")
    inside.check_output("systemctl kill --signal=STOP vpn-gateway-netd")
    try:
        assert time.monotonic() < end - 1, "too slow a machine to hold netd before the end"
        while time.monotonic() < end + 1:
            send(lab, lab.tv, IN_THE_CLEAR)
        before = capture.count(OF_THE_TV)
        for _ in range(5):
            send(lab, lab.tv, IN_THE_CLEAR)
        assert exits_by_vpn(lab)  # which also gives the capture time to be written
        assert capture.count(OF_THE_TV) == before
    finally:
        inside.check_output("systemctl kill --signal=CONT vpn-gateway-netd")
    until(lambda: lab.api("GET", "/api/exceptions", timeout=5) == (200, {"exceptions": []}), 120, "the end to be told")


def leaves_at(lab: Lab, namespace: str) -> str | None:
    answer = lab.get(namespace, f"http://{WEB}/", timeout=4)
    return None if answer is None else answer.strip()


def send(lab: Lab, namespace: str, port: int) -> None:
    lab.inside(namespace, "sh", "-c", f"echo x | socat - UDP-SENDTO:{WEB}:{port}", check=False)


def isp_mac(lab: Lab) -> str:
    """Where all that reaches the web server's host comes from."""
    (link,) = json.loads(lab.inside(lab.isp, "ip", "-j", "link", "show", "dev", "net").stdout)
    return link["address"]


def ask(lab: Lab, method: str, path: str, body: object = None) -> None:
    status, answer = lab.api(method, path, body)
    assert status in {200, 201}, (method, path, answer)


def test_the_tunnel_outlives_a_killed_app(machine: Machine, lab: Lab, inside: Host) -> None:
    before = inside.check_output("systemctl show -P MainPID vpn-gateway-netd")
    inside.check_output("systemctl kill --signal=KILL vpn-gateway-netd vpn-gateway-web")
    assert exits_by_vpn(lab)
    try_to_leak(lab)
    until(lambda: lab.api("GET", "/api/status", timeout=5)[0] == 200, 240, "the API after a kill")
    assert inside.check_output("systemctl show -P MainPID vpn-gateway-netd") != before
    until(lambda: exits_by_vpn(lab), 120, "the traffic after a kill")
    until(lambda: is_connected(lab), 240, "the state after a kill")


def test_a_lost_tunnel_blocks_and_comes_back(machine: Machine, lab: Lab, inside: Host) -> None:
    inside.check_output("for i in $(ip -br link show type wireguard | cut -d' ' -f1); do ip link delete $i; done")
    try_to_leak(lab)
    until(lambda: exits_by_vpn(lab), 240, "the tunnel to come back")


def test_a_flushed_ruleset_is_put_back(machine: Machine, lab: Lab, inside: Host) -> None:
    inside.check_output("nft flush ruleset")
    try_to_leak(lab)
    until(lambda: inside.run("nft list table inet vpn_gateway").rc == 0, 240, "the ruleset")
    until(lambda: exits_by_vpn(lab), 240, "the traffic after it")


def test_disconnected_is_blocked(machine: Machine, lab: Lab) -> None:
    assert lab.api("POST", "/api/disconnect")[0] == 200
    assert blocked(lab)
    try_to_leak(lab)


def test_it_comes_back_connected_after_a_restart(machine: Machine, lab: Lab, inside: Host, ssh_key: SshKey) -> None:
    assert lab.api("POST", "/api/connect", {"server": SERVER})[0] == 200
    until(lambda: exits_by_vpn(lab), 120, "the connection")
    machine.console.clear()
    machine.shell("systemctl --no-block reboot")
    machine.wait_console("Welcome to", 600)
    ssh_key.forget()
    until(lambda: comes_back(lab), 600, "the connection after the restart")


def test_it_shuts_down_in_time(machine: Machine, lab: Lab, inside: Host, ssh_key: SshKey, measure: Measure) -> None:
    start = time.monotonic()
    machine.shell("systemctl --no-block poweroff")
    try_to_leak(lab)
    machine.wait_off(400)
    ssh_key.forget()
    measure("shutdown", time.monotonic() - start, "s")


def test_the_next_start_is_whole_again(machine: Machine, lab: Lab, ssh_key: SshKey) -> None:
    machine.start()
    boot(machine, lab)
    until(lambda: comes_back(lab), 300, "the connection after power-on")
    ssh_key.wait()


def test_nothing_leaked(machine: Machine, lab: Lab, capture: Capture, measure: Measure) -> None:
    """From the first power-on, through all of the above, to now."""
    leaks = capture.leaks(OF_THE_TV)
    measure("packets on the WAN, power-on to here", capture.count())
    measure("leaked packets", len(leaks), "", 0)
    assert leaks == []
    assert capture.count(f"udp and dst host {VPN} and dst port 51820") > 20


def test_the_capture_would_have_seen_a_leak(
    machine: Machine, lab: Lab, inside: Host, capture: Capture, measure: Measure
) -> None:
    """The positive control: all locks broken on purpose, by the machine's own administrator."""
    inside.check_output(
        "systemctl stop vpn-gateway-netd && nft flush ruleset && ip rule flush && ip rule add priority 1 table main"
        " && sysctl -qw net.ipv4.ip_forward=1;"
        " for link in $(ls /sys/class/net); do tc qdisc del dev $link clsact; done; true"
    )
    try_to_leak(lab)
    until(lambda: capture.leaks(OF_THE_TV) != [], 10, "the leak made on purpose")
    measure("leaked packets, locks broken on purpose", len(capture.leaks(OF_THE_TV)))


def is_connected(lab: Lab) -> bool:
    status, answer = lab.api("GET", "/api/status", timeout=5)
    return status == 200 and answer["connected"] is True


def comes_back(lab: Lab) -> bool:
    """Whether the traffic flows again; each poll also tries all other ways out."""
    try_to_leak(lab)
    return exits_by_vpn(lab)
