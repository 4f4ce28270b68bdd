"""gateway.toml and .conf files on the card before the first start; and the clock of a machine that has none."""

from __future__ import annotations

import base64

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until
from image.qemu.machine import DEBUG_SHELL, Machine

YEAR = 365 * 86400  # seconds
PASSWORD = "correct horse battery"
EARLY = 1000  # seconds that a start, and looking at it, may take
# The base's name service, as it is where something holds it up for minutes: sysinit.target waits for it.
GO_ON = "/run/go-on"
HELD_UP = base64.b64encode(f"[Service]\nExecStartPre=/bin/sh -c 'until test -e {GO_ON}; do sleep 1; done'\n".encode())
HOLD = f"systemd.set_credential_binary=systemd.unit-dropin.systemd-resolved.service:{HELD_UP.decode()}"
TIME_SERVERS = "/run/systemd/timesyncd.conf.d/zz-vpn-gateway-servers.conf"


def test_a_good_gateway_toml_is_applied_in_1970(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("first-good", rtc="1970-01-01T00:00:01")
    machine.write_boot_file(
        "gateway.toml", '[system]\nhostname = "attic"\n[vpn]\nprovider = "imported"\nconnect = "home"\n'
    )
    machine.write_boot_file("home.conf", bench.client_conf())
    machine.extra_args = (*DEBUG_SHELL, HOLD)
    machine.start()
    boot(machine, bench)
    goes_on_when_the_rest_is_held_up(machine)
    until(lambda: connected(bench), 300, "the connection asked for in gateway.toml")
    assert machine.shell("hostname").strip() == "attic"
    stamp = run_on_for_years(machine)
    machine.shell("systemctl --no-block poweroff")
    machine.wait_off(400)
    assert machine.read_boot_file("home.conf") is None
    assert machine.read_boot_file("gateway-report.txt") is None
    # Not in the file's old place on the card either.
    assert bench.client_key[0].encode() not in machine.boot_partition().read_bytes()

    machine.extra_args = DEBUG_SHELL
    machine.start()
    boot(machine, bench)
    goes_on_from(machine, stamp)
    until(lambda: connected(bench), 300, "the same connection after a restart")


def test_a_bad_gateway_toml_is_reported_in_2020(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("first-bad", rtc="2020-06-01T12:00:00")
    machine.write_boot_file("gateway.toml", '[system]\nhostname = "NOT A NAME"\n[wifi]\ncountry = "Sweden"\n')
    machine.write_boot_file("broken.conf", "[Interface]\nPrivateKey = nonsense\n")
    machine.start()
    boot(machine, bench)
    assert connected(bench) is False
    until(lambda: "broken.conf" in machine.shell("cat /boot/firmware/gateway-report.txt"), 300, "the report")
    stamp = run_on_for_years(machine)
    machine.kill()
    report = machine.read_boot_file("gateway-report.txt") or ""
    assert "system.hostname" in report
    assert "wifi.country" in report
    assert "broken.conf" in report
    assert machine.read_boot_file("broken.conf") is not None

    machine.write_boot_file("gateway.toml", f'[system]\nadmin_password = "{PASSWORD}"\n')
    machine.start()
    boot(machine, bench)
    goes_on_from(machine, stamp)
    said = machine.shell("cat /boot/firmware/gateway-report.txt; journalctl -b -u vpn-gateway-firstboot --no-pager")
    assert bench.api("GET", "/api/status")[0] == 401, said
    assert bench.api("POST", "/api/auth/login", {"password": "not " + PASSWORD})[0] == 401
    assert bench.api("POST", "/api/auth/login", {"password": PASSWORD})[0] == 200
    kept = machine.shell("cat /boot/firmware/gateway.toml /data/setup/*")
    assert "admin_password" in kept
    assert PASSWORD not in kept
    # The web's own, on the data partition: not even netd's.
    assert machine.shell("stat -c '%U %a' /var/lib/vpn-gateway-web /data/vpn-gateway-web").split() == ["web", "700"] * 2


def goes_on_when_the_rest_is_held_up(machine: Machine) -> None:
    """A device had its lease while the base system was held up; what netd wrote meanwhile is read once that goes on."""
    assert machine.shell("systemctl is-active systemd-resolved; true").strip() == "activating"
    until(lambda: machine.shell("ls /run/vpn-gateway/ntp").strip(), 120, "netd's list of time servers")
    assert machine.shell(f"ls {TIME_SERVERS} 2>/dev/null; true").strip() == ""
    machine.shell(f"touch {GO_ON}")
    until(lambda: machine.shell(f"ls {TIME_SERVERS} 2>/dev/null; true").strip(), 120, "the time servers set")


def connected(bench: Lab) -> bool:
    status, answer = bench.api("GET", "/api/status", timeout=5)
    return status == 200 and bool(answer["connected"])


def run_on_for_years(machine: Machine) -> int:
    """The clock is not before the build; leave the stamp of a machine that has run for two years. Returns it, in s."""
    built = int(machine.shell("stat -c %Y /usr/lib/vpn-gateway/version"))
    now = int(machine.shell("date +%s"))
    assert built <= now <= built + EARLY
    stamp = built + 2 * YEAR
    machine.shell(f"date -s @{stamp}; /usr/lib/vpn-gateway/clock save; sync")
    return stamp


def goes_on_from(machine: Machine, stamp: int) -> None:
    """The clock is past the stamp, and was set before whatever depends on the time was started."""
    now = int(machine.shell("date +%s"))
    assert stamp <= now <= stamp + EARLY
    clock, netd = (
        int(machine.shell(f"systemctl show -P ExecMainStartTimestampMonotonic {unit}.service"))
        for unit in ("vpn-gateway-clock", "vpn-gateway-netd")
    )
    assert 0 < clock < netd
