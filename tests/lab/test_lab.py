"""Tests of the lab itself: its captures, faults and clean-up."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.labnet import Capture, Lab, LabError, leaks
from ci.labnet.addresses import INTERNET4, INTERNET6, INTERNET_DNS4, VPN_PORT, VPNS, WAN4_NETWORKS
from ci.labnet.capture import read_pcap
from ci.labnet.host import NETNS
from ci.labnet.paths import ROOT
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import GATEWAY_WAN_MAC

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

PROJECT = Path(__file__).parents[2]
WAN6 = "2001:db8:1::1"


@pytest.fixture(scope="module")
def bare():
    """A lab without the gateway's software, its WAN up behind the boot ruleset."""
    lab = Lab(f"bare{os.getpid()}")
    try:
        lab.up(app=False)
        lab.gateway.boot()
        yield lab
    finally:
        lab.down()


@pytest.fixture
def ident():
    """A lab's id that is free, and whose lab is gone afterwards."""
    name = f"cli{os.getpid()}"
    yield name
    Lab(name).down()


def command(ident: str, *arguments: str) -> list[str]:
    return [str(PROJECT / "ci" / "lab"), "--id", ident, *arguments]


def run(ident: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(ident, *arguments), capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def namespaces() -> Iterator[Callable[[str], set[int]]]:
    """The network namespaces of a lab, by number.

    They are held open for as long as the test lasts: the kernel gives a free number to the next one that is made, and a
    process of another lab would pass for what is left of this one.
    """
    with contextlib.ExitStack() as held:
        yield lambda ident: {
            os.fstat(held.enter_context(path.open("rb")).fileno()).st_ino for path in NETNS.glob(f"vpngw-{ident}-*")
        }


def traces(ident: str, known: set[int]) -> list[str]:
    """All that this machine still has of a lab: names, files, processes (also in its ``known`` namespaces), mounts."""
    found = [str(path) for path in (*NETNS.glob(f"vpngw-{ident}-*"), ROOT / ident) if path.exists()]
    mark = f"vpngw-{ident}-".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has just ended
            if mark in (process / "cmdline").read_bytes() or (process / "ns" / "net").stat().st_ino in known:
                found.append(f"process {process.name}: {(process / 'cmdline').read_bytes()!r}")
            if mark in (process / "mountinfo").read_bytes():
                found.append(f"mount kept by process {process.name}")
    return found


def root_network() -> str:
    """The root namespace's own network, without counters and timers."""
    commands = (
        "ip -o link",
        "ip -br addr",
        "ip -4 route show table all",
        "ip -6 route show table all",
        "ip rule",
        "ip -6 rule",
        "nft -s list ruleset",
        "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.default.accept_dad",
    )
    texts = [subprocess.run(c.split(), capture_output=True, text=True, check=True).stdout for c in commands]
    return re.sub(r" expires \S+", "", "\n".join([*texts, Path("/etc/resolv.conf").read_text()]))


# --- it leaves nothing behind ----------------------------------------------------------------------------------------


def test_by_hand_from_up_to_down(namespaces, ident):
    before = root_network()
    up = run(ident, "up", "--port", "0")
    assert up.returncode == 0, up.stderr
    assert root_network() == before, "the machine's own network is not touched"
    known = namespaces(ident)
    assert len(known) == 9
    lab = Lab.attach(ident)
    assert lab.api.request("GET", "/health")[0] == 200
    inside = run(ident, "exec", "laptop", "--", "sh", "-c", "ip -br addr show eth0; exit 7")
    assert inside.returncode == 7
    assert "192.168.77." in inside.stdout
    assert f"127.0.0.1:{lab.api.port}" in run(ident, "status").stdout
    assert run(ident, "exec", "nobody", "--", "true").returncode == 1
    assert run(ident, "fault", "vpn-stop", "vpn-xx").returncode == 1
    assert run(ident, "down").returncode == 0
    assert traces(ident, known) == []
    assert root_network() == before
    assert "no lab is running" in run(ident, "status").stderr


@pytest.mark.parametrize(
    ("line", "delay"), [("making", 0.0), ("making", 0.03), ("making", 0.08), ("connecting", 0.0), ("starting the", 0.1)]
)
def test_nothing_is_left_of_a_start_that_was_killed(namespaces, ident, line, delay):
    process = subprocess.Popen(command(ident, "up", "--port", "0"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    assert any(line.encode() in text for text in process.stdout)
    time.sleep(delay)  # a moment, not a wait: the kill is to hit in the middle
    process.kill()
    process.wait()
    process.stdout.close()
    known = namespaces(ident)
    assert traces(ident, known), "there is something to take away"
    assert run(ident, "down").returncode == 0
    assert traces(ident, known) == []


def started(ident: str, *arguments: str, ignored: signal.Signals | None = None) -> subprocess.Popen[str]:
    """``ci/lab``, ignoring no signal, as a terminal starts it, or ``ignored``, as a shell or nohup(1) does."""

    def inherit() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    return subprocess.Popen(
        command(ident, *arguments),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=inherit,  # noqa: PLW1509 - no thread of this process holds a lock
    )


def up_to(process: subprocess.Popen[str], mark: str) -> str:
    """What it says, up to the line with ``mark``."""
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if mark in line:
            break
    return "".join(said)


@pytest.mark.parametrize(
    ("number", "ignored"),
    [
        (signal.SIGTERM, None),
        (signal.SIGINT, None),
        (signal.SIGHUP, None),
        (signal.SIGINT, signal.SIGINT),  # `make run &` in a script
        (signal.SIGTERM, signal.SIGTERM),
    ],
)
def test_run_lasts_until_a_signal(namespaces, ident, number, ignored):
    process = started(ident, "run", "--port", "0", ignored=ignored)
    assert process.stdout is not None
    text = up_to(process, "Ctrl-C")
    found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
    assert found, text
    lab = Lab.attach(ident)
    assert lab.api.port == int(found[1])
    assert lab.api.request("GET", "/health")[0] == 200
    shown = re.search(r"\.venv/bin/vpn-gateway .* status", text)
    assert shown, text
    done = subprocess.run(shown[0].split(), cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (5, ""), "it answers, and is not connected"
    with pytest.raises(LabError, match="running already"):
        Lab(ident).up(app=False)
    known = namespaces(ident)
    process.send_signal(number)
    assert any("stopping" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)  # the impatient press it twice
    process.wait(timeout=20)
    process.stdout.close()
    assert traces(ident, known) == []


def test_run_under_nohup_survives_the_terminal(ident):
    """A lab that ignores SIGHUP outlives the terminal; it still ends on SIGTERM."""
    process = started(ident, "run", "--port", "0", "--no-app", ignored=signal.SIGHUP)
    up_to(process, "Ctrl-C")
    status = Path(f"/proc/{process.pid}/status").read_text()
    ignored = int(re.search(r"SigIgn:\s+(\w+)", status)[1], 16)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert ignored & 1 << (signal.SIGHUP - 1)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_recording_ends_in_order(bare, tmp_path):
    """With any inherited disposition and any ending signal: tcpdump ends too, and its packets are in the file."""
    for number, ignored in ((signal.SIGINT, signal.SIGINT), (signal.SIGTERM, None), (signal.SIGHUP, None)):
        file = tmp_path / f"{number}.pcap"
        process = started(bare.ident, "capture", "isp", "net", str(file), ignored=ignored)
        up_to(process, "recording")
        flood(bare, 10, 4003)
        wait_for("the packets in the file", lambda f=file: len(read_pcap(f)) >= 10)
        process.send_signal(number)
        said, _ = process.communicate(timeout=20)
        assert re.search(r"\d+ packets in ", said)
        assert states(f"tcpdump.*{file}") == set()


def test_labs_beside_each_other(namespaces, ident):
    """Two labs have the same addresses; the removal of one leaves nothing, although another was created meanwhile."""
    one, other = Lab(ident), Lab(f"{ident}x")
    try:
        one.up(app=False)
        other.up(app=False)
        assert one.hosts.http("vpn-se", f"http://{INTERNET4}/") == other.hosts.http("vpn-se", f"http://{INTERNET4}/")
        one.vpn.mute("vpn-se")
        assert not one.lan.ping("internet", VPNS["vpn-se"][0])
        assert other.lan.ping("internet", VPNS["vpn-se"][0])
        known = namespaces(ident)
        one.down()
        assert traces(ident, known) == []
        assert other.lan.ping("internet", VPNS["vpn-se"][0])
    finally:
        one.down()
        other.down()


def test_a_port_that_is_taken(ident):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = run(ident, "up", "--port", str(port))
    assert up.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in up.stderr
    assert "--port" in up.stderr
    assert traces(ident, set()) == []


@pytest.mark.parametrize("bad", ["..", "a-b", "a/b", "", "x" * 25])
def test_an_id_is_a_word(bad):
    with pytest.raises(LabError, match="id"):
        Lab(bad)


def test_an_id_is_no_path(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    down = run(os.path.relpath(precious, ROOT), "down")
    assert down.returncode == 1
    assert (precious / "file").exists()


def test_missing_tools_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"apt-get install .*dnsmasq-base.*nftables.*udhcpc.*wireguard-go"):
        Lab.check()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"root.*sudo"):
        Lab.check()


# --- what it sees ----------------------------------------------------------------------------------------------------


def flood(lab: Lab, count: int, port: int) -> None:
    """``count`` numbered datagrams from the Internet to the ISP."""
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for n in range({count}): s.sendto(b'%d' % n, ('203.0.113.1', {port}))\n"
    )
    lab.hosts["internet"].run(sys.executable, "-c", script)


@pytest.mark.parametrize("expression", ["", "udp port 4000"])
def test_a_capture_has_everything_up_to_its_end(bare, expression):
    for _ in range(5):
        with bare.hosts.capture("isp", "net", expression=expression) as capture:
            flood(bare, 500, 4000)
        numbers = [int(p.payload.rstrip(b"\0")) for p in capture.packets if p.dport == 4000]
        assert numbers == list(range(500))


def states(pattern: str) -> set[str]:
    """The states of the processes whose command line matches (proc(5): ``R``, ``S``, ``T``, ...)."""
    listed = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False).stdout.split()
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] for pid in listed}


def test_a_capture_with_holes_is_an_error(bare, monkeypatch):
    monkeypatch.setattr(Capture, "BUFFER", 4)
    capture = bare.hosts.capture("isp", "net").start()
    tcpdump = f"tcpdump.*-w {re.escape(str(capture.path))}"
    # One that does not get to run, as on a busy machine: the buffer overflows, however quick the machine is.
    # nsenter(1) stops with its child, and continues it when it is continued itself.
    subprocess.run(["pkill", "-STOP", "-f", f"^{tcpdump}"], check=True)
    wait_for("tcpdump to stand still", lambda: states(tcpdump) == {"T"}, interval=0.01)
    try:
        flood(bare, 2_000, 4001)
    finally:
        subprocess.run(["pkill", "-CONT", "-f", f"^nsenter.*{tcpdump}"], check=True)
    with pytest.raises(LabError, match="packets are missing"):
        capture.stop()


def test_a_capture_of_nothing(bare):
    with pytest.raises(LabError, match="no interface wan7"):
        bare.hosts.capture("gateway", "wan7").start()
    with bare.hosts.capture("isp", "net", expression="udp port 4002") as capture:
        pass
    assert capture.packets == [], "markers are left out"


def clear_packets(lab: Lab, *, patience: float = 0.1) -> None:
    """One of each kind that must never leave, by ordinary sockets of the gateway.

    ``patience`` is how many seconds the resolver has: an answer that comes when nobody listens any more is refused by
    an ICMP error, which is one packet more.
    """
    lab.lan.udp("gateway", INTERNET4, 9, "clear", timeout=0.1)
    lab.lan.udp("gateway", INTERNET6, 9, "clear", timeout=0.1)
    lab.lan.udp("gateway", VPNS["vpn-se"][0], VPN_PORT, "no WireGuard", timeout=0.1)
    lab.lan.udp("gateway", VPNS["vpn-de"][1], 53, "other port", timeout=0.1)
    lab.lan.tcp("gateway", INTERNET4, 80, timeout=0.1)
    lab.lan.tcp("gateway", INTERNET6, 80, timeout=0.1)
    lab.lan.ping("gateway", INTERNET4, timeout=0.1)
    lab.lan.ping("gateway", INTERNET6, timeout=0.1)
    lab.lan.dns("gateway", "leak.lab", server=INTERNET_DNS4, timeout=patience)


EXPECTED = {
    (INTERNET4, 17, 9),
    (INTERNET6, 17, 9),
    (VPNS["vpn-se"][0], 17, VPN_PORT),
    (VPNS["vpn-de"][1], 17, 53),
    (INTERNET4, 6, 80),
    (INTERNET6, 6, 80),
    (INTERNET4, 1, 0),
    (INTERNET6, 58, 0),
    (INTERNET_DNS4, 17, 53),
}


def test_leaks_are_seen_and_what_is_permitted_is_not_one(bare):
    """The positive control of all leak tests, kind by kind: the gateway without its table, and with it."""
    gateway = bare.hosts["gateway"]
    wait_for("the WAN's IPv6 route", lambda: "default" in bare.hosts.exec("gateway", ["ip", "-6", "route"]).stdout)
    gateway.shell("nft flush ruleset; tc qdisc del dev wan0 clsact")
    try:
        with bare.hosts.capture("isp", "wan") as capture:
            gateway.shell("ip neigh flush dev wan0")
            clear_packets(bare, patience=10)
            bare.lan.udp("gateway", VPNS["vpn-se"][0], VPN_PORT, "\1\0\0\0 as a handshake begins", timeout=0.1)
            bare.wan_client.restart()
    finally:
        bare.gateway.boot()
    found = leaks(capture.packets, GATEWAY_WAN_MAC)
    assert {(p.destination, p.protocol, p.dport) for p in found} == EXPECTED
    assert all(not p.payload.startswith(b"\1\0\0\0") for p in found if p.dport == VPN_PORT)
    sent = [p for p in capture.packets if p.source_mac == GATEWAY_WAN_MAC]
    assert any(p.payload.startswith(b"\1\0\0\0") for p in sent), "WireGuard was sent, and is no leak"
    assert any(p.dport == 67 for p in sent), "DHCP was sent, and is no leak"
    assert any(p.ethertype == 0x0806 for p in sent), "ARP was sent, and is no leak"
    lookups = leaks(capture.packets, GATEWAY_WAN_MAC, lookups=frozenset({INTERNET_DNS4}))
    assert {(p.destination, p.protocol, p.dport) for p in lookups} == EXPECTED - {(INTERNET_DNS4, 17, 53)}

    with bare.hosts.capture("isp", "wan") as capture:
        clear_packets(bare)
    assert leaks(capture.packets, GATEWAY_WAN_MAC) == [], "the boot ruleset alone holds all of it back"


# --- the world outside -----------------------------------------------------------------------------------------------


def test_the_internet_answers_with_the_callers_address(bare):
    for name, (v4, v6, *_) in VPNS.items():
        assert bare.hosts.http(name, f"http://{INTERNET4}/") == v4
        assert bare.hosts.http(name, f"http://{INTERNET4}/json") == f'{{"ip": "{v4}"}}'
        assert bare.hosts.http(name, f"http://[{INTERNET6}]/json") == f'{{"ip": "{v6}"}}'
        assert bare.lan.udp(name, INTERNET4, 9, "there and back") == "there and back"


def test_the_internets_dns_logs_who_asked(bare):
    answer = bare.lan.dns("vpn-de", "whoami.lab", "TXT", server=INTERNET_DNS4)
    assert answer == ("NOERROR", ("internet",))
    assert bare.lan.dns("vpn-de", "web.lab", "AAAA", server=INTERNET_DNS4, tcp=True).records == (INTERNET6,)
    log = (bare.directory / "internet-dns.log").read_text()
    assert re.search(rf"{re.escape(VPNS['vpn-de'][0])}/\d+ query\[TXT\] whoami.lab from", log)


def test_the_internets_clock(bare):
    script = (
        "import socket, struct\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)\n"
        f"s.sendto(bytes([0x23]) + bytes(39) + b'8 bytes.', ('{INTERNET4}', 123))\n"
        "a = s.recv(100); print(len(a), a[0] & 7, a[24:32] == b'8 bytes.', struct.unpack('>I', a[40:44])[0])\n"
    )
    length, mode, echoed, seconds = bare.hosts["vpn-se"].run(sys.executable, "-c", script).stdout.split()
    assert (length, mode, echoed) == ("48", "4", "True")  # RFC 5905: a server's answer to this very request
    assert abs(int(seconds) - 2208988800 - time.time()) < 5


# --- faults ----------------------------------------------------------------------------------------------------------


def route(lab: Lab, family: str = "-4") -> str:
    return lab.hosts.exec("gateway", ["ip", family, "route", "show"]).stdout


def test_the_wans_cable(bare):
    def link() -> str:
        return bare.hosts.exec("gateway", ["ip", "link", "show", "wan0"]).stdout

    bare.internet.wan_link(up=False)
    wait_for("no carrier", lambda: "NO-CARRIER" in link())
    bare.internet.wan_link(up=True)
    wait_for("a carrier", lambda: "LOWER_UP" in link())


RESOLV = "/run/vpn-gateway/wan.resolv"


def test_another_network_on_the_wan(bare):
    for network in reversed(WAN4_NETWORKS):
        bare.internet.renumber(network)
        # The address comes first; the client's script takes a moment for the rest.
        wait_for("the default route", lambda n=network: f"default via {n}.1 dev wan0" in route(bare))
        assert f"src {network}." in route(bare)
        wanted = f"nameserver {network}.1\n"
        wait_for("the name server", lambda w=wanted: bare.hosts.exec("gateway", ["cat", RESOLV]).stdout == w)


def test_routes_by_dhcp(bare):
    """The client of the gateway takes option 121, or the tests that resist it would resist nothing."""
    with bare.internet.option121("10.9.0.0/16", "192.168.1.1", "203.0.113.0/24", "192.168.1.1"):
        for network in ("10.9.0.0/16", "203.0.113.0/24"):  # its script adds them after the address
            wait_for(network, lambda n=network: f"{n} via 192.168.1.1 dev wan0" in route(bare))
    bare.internet.set_option121()
    assert "10.9.0.0/16" not in route(bare)


def test_a_rogue_router(bare):
    with bare.internet.rogue_ra():
        wait_for(
            "its prefix",
            lambda: "2001:db8:bad:" in bare.hosts.exec("gateway", ["ip", "-6", "addr", "show", "wan0"]).stdout,
        )
        wait_for("its preference", lambda: re.search(r"default .*dev wan0 .*pref high", route(bare, "-6")))


def test_a_vpn_server_that_dies_and_one_that_is_cut_off(bare):
    def listens() -> bool:
        return f":{VPN_PORT}" in bare.hosts.exec("vpn-se", ["ss", "-lun"]).stdout

    before = bare.vpn.keys("vpn-se")
    assert listens()
    bare.vpn.stop("vpn-se")
    wait_for("its port to be closed", lambda: not listens())
    bare.vpn.start("vpn-se")
    wait_for("its port to be open", listens)
    assert bare.hosts["vpn-se"].run("wg", "show", "wg0", "public-key").stdout.strip() == before["public_key"]
    bare.vpn.mute("vpn-se")
    assert not bare.lan.ping("internet", VPNS["vpn-se"][1])
    bare.vpn.mute("vpn-se", False)
    assert bare.lan.ping("internet", VPNS["vpn-se"][1])


# --- the product -----------------------------------------------------------------------------------------------------


def status(lab: Lab, name: str) -> dict[str, str]:
    pid = (lab.directory / f"{name}.pid").read_text()
    lines = lab.hosts["gateway"].run("cat", f"/proc/{pid}/status").stdout.splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_processes_have_the_same_privileges_as_on_the_image(lab):
    bits = {"setgid": 6, "setuid": 7, "net_bind_service": 10, "net_admin": 12, "net_raw": 13}
    assert int(status(lab, "netd")["CapBnd"], 16) == sum(1 << bit for bit in bits.values())
    web = status(lab, "web")
    assert {web[key] for key in ("CapBnd", "CapEff", "CapPrm")} == {"0" * 16}
    assert web["NoNewPrivs"] == "1"


@pytest.mark.parametrize("name", ["netd", "web"])
def test_killed_and_back_at_once(lab, name):
    before = (lab.directory / f"{name}.pid").read_text()
    lab.gateway.kill_app(name)
    wait_for("a new process", lambda: (lab.directory / f"{name}.pid").read_text() != before, 10)  # after half a second
    lab.gateway.wait_ready()


def test_a_killed_app_stays_dead_until_released(lab):
    lab.gateway.kill_app("web", restart=False)
    before = (lab.directory / "web.pid").read_text()
    time.sleep(1.2)  # twice the time after which it would be back
    assert (lab.directory / "web.pid").read_text() == before
    lab.gateway.restart_app()
    assert lab.api.request("GET", "/health")[0] == 200


def test_the_software_needs_a_gateway(bare):
    with pytest.raises(LabError, match="--no-app"):
        bare.gateway.kill_app()
