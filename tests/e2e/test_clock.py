"""A machine without a clock: the ISP's time server, restarts, a power cut, servers that refuse what is older."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine, Measure
from image.qemu.lab import WEB, Lab, until
from image.qemu.machine import Machine

NTP_SERVER = f"""
import socket, struct, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("{WEB}", 123))
    while True:
        data, caller = sock.recvfrom(999)
        now = time.time() + 2208988800
        stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
        head = struct.pack(">BBbb", 0x24, 1, 4, -20)
        sock.sendto(head + bytes(8) + b"LAB\\0" + stamp + data[40:48] + stamp + stamp, caller)
"""
SERVER = "home"
DAYS = 3 * 86400  # seconds
AHEAD = 3600  # seconds; far longer than an emulated machine takes to connect and to be refused


def test_the_clock_of_a_machine_that_has_none(new_machine: MakeMachine, bench: Lab, measure: Measure) -> None:
    bench.new_client()
    machine = new_machine("clock", rtc="1970-01-01T00:00:01")
    machine.write_boot_file(
        "gateway.toml", f'[system]\nntp = ["192.0.2.1"]\n[vpn]\nprovider = "imported"\nconnect = "{SERVER}"\n'
    )
    machine.write_boot_file(f"{SERVER}.conf", bench.client_conf())
    start(machine, bench)

    # A power cut of three days: the leases of this start are younger than the clock will think.
    machine.shell(f"date -s @{time.time() - DAYS:.0f}")
    address = str(until(lambda: lease_for_hours(bench), 300, "a lease for the usual time"))
    assert synchronised_by_dhcps_server(machine, bench) > DAYS - 60
    until(lambda: ends_of_lease(bench, address) > time.time() + 3600, 60, "the lease to go on after the clock was set")
    until(lambda: reconnects(bench), 300, "the same server after the clock was set")

    # What the server has seen of an orderly restart's clock is not, or hardly, ahead of what NTP says then.
    machine.shell("systemctl --no-block poweroff")
    machine.wait_off(400)
    start(machine, bench)
    ahead = -behind(machine)
    measure("clock ahead after a restart", round(ahead, 1), "s", 10)
    assert -900 < ahead <= 10
    synchronised_by_dhcps_server(machine, bench)
    assert reconnects(bench)

    machine.kill()
    start(machine, bench)
    ahead = -behind(machine)
    measure("clock ahead after a power cut", round(ahead, 1), "s", 90)
    assert -900 < ahead <= 90
    synchronised_by_dhcps_server(machine, bench)
    until(lambda: reconnects(bench), 300, "the same server after a power cut")

    # The lab's server refuses, the status says so, and the refusal ends by itself once the clock has caught up.
    machine.shell(f"date -s @{time.time() + AHEAD:.0f}")
    assert reconnects(bench)
    machine.shell(f"date -s @{time.time():.0f}")
    until(lambda: "set back by" in machine.shell("journalctl -b -u vpn-gateway-netd --no-pager"), 30, "netd to see it")
    assert bench.api("POST", "/api/disconnect")[0] == 200
    status, answer = bench.api("POST", "/api/connect", {"server": SERVER}, timeout=120)
    assert status != 200, "the server takes what is older: this lab proves nothing"
    assert "clock was set back" in str(answer), answer
    assert not connected(bench)
    machine.shell(f"date -s @{time.time() + AHEAD:.0f}")
    until(lambda: connected(bench), 300, "the connection to come back")


def start(machine: Machine, bench: Lab) -> None:
    machine.start()
    boot(machine, bench)
    until(lambda: connected(bench), 300, "the connection")


def connected(bench: Lab) -> bool:
    status, answer = bench.api("GET", "/api/status", timeout=5)
    return status == 200 and bool(answer["connected"])


def reconnects(bench: Lab) -> bool:
    """A new handshake with the server that has seen the ones before."""
    assert bench.api("POST", "/api/disconnect")[0] == 200
    return bench.api("POST", "/api/connect", {"server": SERVER}, timeout=120)[0] == 200


def behind(machine: Machine) -> float:
    """Seconds that the machine's clock is behind the true time."""
    before = time.time()
    said = float(machine.shell("date +%s.%N"))
    return (before + time.time()) / 2 - said


def synchronised_by_dhcps_server(machine: Machine, bench: Lab) -> float:
    """The time comes from the server that DHCP names, and its way in the clear closes; returns what it was behind by.

    The server begins to answer only now: there has been a handshake already.
    """
    was = behind(machine)
    assert "udp dport 123" in machine.shell("nft list chain inet vpn_gateway output_wan")
    until(lambda: configured_servers(machine) == [WEB, "192.0.2.1"], 60, "timesyncd to have DHCP's server, then ours")
    with ntp_server(bench):
        until(
            lambda: "yes" in machine.shell("test ! -e /run/systemd/timesync/synchronized || echo yes"),
            300,
            "the first synchronisation",
        )
    until(
        lambda: "udp dport 123" not in machine.shell("nft list chain inet vpn_gateway output_wan"),
        30,
        "the way to the time servers to close",
    )
    assert abs(behind(machine)) < 5
    return was


def configured_servers(machine: Machine) -> list[str]:
    return machine.shell("sed -n 's/^NTP=//p' /run/systemd/timesyncd.conf.d/zz-vpn-gateway-servers.conf").split()


def lease_for_hours(bench: Lab) -> str | None:
    """The laptop's address by a lease for the usual time, which follows a newcomer's short one."""
    try:
        address = bench.lease(60)
    except AssertionError:  # dnsmasq starts again with what is known of the device by now
        return None
    return address if ends_of_lease(bench, address) > time.time() - DAYS + 3600 else None


def ends_of_lease(bench: Lab, address: str) -> float:
    """When the lease of ``address`` ends; 0 where there is none."""
    status, answer = bench.api("GET", "/api/leases", timeout=5)
    leases = answer["leases"] if status == 200 else []
    return next((lease["expires"] for lease in leases if lease["address"] == address), 0.0)


@contextlib.contextmanager
def ntp_server(bench: Lab) -> Iterator[None]:
    process = bench.spawn(bench.net, sys.executable, "-c", NTP_SERVER)
    try:
        yield
    finally:
        bench.stop(process)
