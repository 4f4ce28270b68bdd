"""Time servers in the clear: those of the list, for the time daemon, until the clock is set. Captured on the WAN.

And what a clock that is set, of netd and dnsmasq alone (libfaketime), does to the LAN and to servers.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, INTERNET_DNS4, LAN_HOSTS
from ci.labnet.waiting import wait_for
from tests.support.clocked import clocked_dnsmasq, faketime

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NOBODY = 65534
ASK = """
import os, socket, sys
os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(1)
    try:
        sock.sendto(b"\\x1b" + bytes(47), (sys.argv[2], 123))
        print("answered" if len(sock.recv(99)) == 48 else "odd")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Its time daemon is ``nobody``; a server is configured by name, and DHCP offers none yet."""
    lab = Lab(f"time{os.getpid()}")
    lab.gateway.netd_options = (
        *("--time-user", "nobody", "--time-set", str(lab.directory / "time-set")),
        *("--time-offered", str(lab.directory / "time-offered"), "--time-servers", str(lab.directory / "time-servers")),
    )
    try:
        lab.up()
        (lab.directory / "time-servers").write_text("ntp.lab\n")
        yield lab
    finally:
        lab.down()


def ask(lab: Lab, address: str, uid: int = NOBODY) -> str:
    return lab.hosts.exec("gateway", [sys.executable, "-c", ASK, str(uid), address]).stdout.strip()


def chosen(lab: Lab) -> list[str]:
    return lab.hosts.exec("gateway", ["cat", "/run/vpn-gateway/ntp/servers"]).stdout.split()


def test_ntp_in_the_clear_ends_when_the_clock_is_set(lab: Lab) -> None:
    wait_for("the name to be found", lambda: chosen(lab)[:1] == [INTERNET4])
    with lab.hosts.capture("isp", "wan") as capture:
        wait_for("the plan to have it", lambda: ask(lab, INTERNET4) == "answered")
        assert ask(lab, INTERNET_DNS4) != "answered", "not in the list"
        assert ask(lab, INTERNET4, uid=0) != "answered", "not the time daemon"
        packets = capture.stop()
    assert {p.destination for p in packets if p.dport == 123} == {INTERNET4}

    (lab.directory / "time-offered").write_text(f"NTP={INTERNET_DNS4}\n")
    wait_for("DHCP's to come first", lambda: chosen(lab)[:2] == [INTERNET_DNS4, INTERNET4])
    wait_for("the plan to have it", lambda: f"{INTERNET_DNS4}" in allowlist(lab))
    with lab.hosts.capture("isp", "wan") as capture:
        ask(lab, INTERNET_DNS4)  # nothing answers there
        packets = capture.stop()
    assert [p.destination for p in packets if p.dport == 123] == [INTERNET_DNS4]

    (lab.directory / "time-set").touch()
    wait_for("the way to close", lambda: ask(lab, INTERNET4) != "answered", timeout=5)
    with lab.hosts.capture("isp", "wan") as capture:
        for address in (INTERNET4, INTERNET_DNS4):
            assert ask(lab, address) != "answered"
        packets = capture.stop()
    assert [p for p in packets if p.dport == 123] == []


def allowlist(lab: Lab) -> str:
    return lab.hosts.exec("gateway", ["nft", "list", "set", "inet", "vpn_gateway", "time_query4"]).stdout


DAYS = 3 * 86_400


@pytest.fixture
def clocked_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose netd and dnsmasq read the clock of the file ``clock``; wireguard-go, in Go, does not."""
    lab = Lab(f"jump{os.getpid()}")
    clock = lab.directory / "clock"
    lab.gateway.netd_environment = (
        *(f"{name}={value}" for name, value in faketime(clock).items()),
        f"PATH={clocked_dnsmasq(tmp_path / 'programs', clock)}",
    )
    try:
        yield lab.up()
    finally:
        lab.down()


def set_clock(lab: Lab, ahead: int) -> None:
    new = lab.directory / "clock.new"
    new.write_text(f"{ahead:+d}")
    new.replace(lab.directory / "clock")


def leases(lab: Lab) -> dict[str, tuple[str, float]]:
    """Host name -> address and end."""
    return {x["hostname"]: (x["address"], x["expires"]) for x in lab.api("GET", "/api/leases")["leases"]}


def test_devices_keep_their_leases_when_the_clock_jumps_by_days(clocked_lab: Lab) -> None:
    before = leases(clocked_lab)
    known = before.keys()
    assert known >= LAN_HOSTS.keys()
    later = time.time() + DAYS
    set_clock(clocked_lab, DAYS)
    wait_for("netd to see it", lambda: "the clock was set forward" in clocked_lab.gateway.logs())
    wait_for(
        "the leases to go on", lambda: {name for name, (_, end) in leases(clocked_lab).items() if end > later} >= known
    )
    clocked_lab.lan.start_dhcp("phone")  # dnsmasq looks at its leases whenever a device asks
    assert clocked_lab.lan.wait_address("phone") == before["phone"][0]
    assert {name: address for name, (address, _) in leases(clocked_lab).items()} == {
        n: a for n, (a, _) in before.items()
    }
    assert clocked_lab.hosts.exec("laptop", ["dig", "+short", "tv.lan"]).stdout.strip() == before["tv"][0]


def test_a_clock_set_back_is_named_as_the_cause(clocked_lab: Lab) -> None:
    set_clock(clocked_lab, -DAYS)
    wait_for("netd to see it", lambda: "the clock was set back" in clocked_lab.gateway.logs())
    clocked_lab.vpn.stop("vpn-se")
    status, answer = clocked_lab.api.request("POST", "/api/connect", {"server": "vpn-se"})
    assert status == 504
    assert "clock was set back" in answer.decode()
    assert "for another 72 h" in answer.decode()
