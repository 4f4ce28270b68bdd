"""gateway.toml and .conf files on the card before the first start; and the clock of a machine that has none."""

from __future__ import annotations

import pytest

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until


def test_a_good_file_is_carried_out_and_its_secrets_taken(new_machine: MakeMachine, lab: Lab) -> None:
    machine = new_machine("first-good")
    machine.write_boot_file(
        "gateway.toml", '[system]\nhostname = "attic"\n[vpn]\nprovider = "imported"\nconnect = "home"\n'
    )
    machine.write_boot_file("home.conf", lab.client_conf())
    try:
        machine.start()
        boot(machine, lab)
        until(lambda: lab.api("GET", "/api/status")[1]["connected"], 90, "the connection asked for in gateway.toml")
        assert machine.shell("hostname").strip() == "attic"
        machine.shell("systemctl poweroff")
        machine.wait_off(120)
        assert machine.read_boot_file("home.conf") is None
        assert machine.read_boot_file("gateway-report.txt") is None
        # Not in the file's old place on the card either.
        assert lab.client_key[0].encode() not in machine.boot_partition().read_bytes()
    finally:
        machine.kill()


def test_a_bad_file_is_told_of_and_the_gateway_comes_up(new_machine: MakeMachine, lab: Lab) -> None:
    machine = new_machine("first-bad")
    machine.write_boot_file("gateway.toml", '[system]\nhostname = "NOT A NAME"\n[wifi]\ncountry = "Sweden"\n')
    machine.write_boot_file("broken.conf", "[Interface]\nPrivateKey = nonsense\n")
    try:
        machine.start()
        boot(machine, lab)
        assert lab.api("GET", "/api/status")[1]["connected"] is False
        until(lambda: "broken.conf" in machine.shell("cat /boot/firmware/gateway-report.txt"), 90, "the report")
        machine.shell("systemctl poweroff")
        machine.wait_off(120)
        report = machine.read_boot_file("gateway-report.txt") or ""
        assert "system.hostname" in report
        assert "wifi.country" in report
        assert "broken.conf" in report
        assert machine.read_boot_file("broken.conf") is not None
    finally:
        machine.kill()


@pytest.mark.parametrize("clock", ["1970-01-01T00:00:01", "2020-06-01T12:00:00"])
def test_the_clock_never_runs_backwards(new_machine: MakeMachine, lab: Lab, clock: str) -> None:
    machine = new_machine(f"clock-{clock[:4]}", rtc=clock)
    try:
        machine.start()
        boot(machine, lab)
        built = int(machine.shell("stat -c %Y /usr/lib/vpn-gateway/version"))
        first = int(machine.shell("date +%s"))
        assert first >= built
        # As if it had run for years: the stamp is what a power cut leaves.
        years = built + 2 * 365 * 86400
        machine.shell(f"touch -d @{years} /data/clock/stamp; sync /data/clock")
        machine.kill()
        machine.start()
        boot(machine, lab)
        second = int(machine.shell("date +%s"))
        assert years <= second <= years + 1000
        # It comes before whatever depends on the time.
        order = machine.shell(
            "for unit in vpn-gateway-clock vpn-gateway-netd; do"
            " systemctl show -P ExecMainStartTimestampMonotonic $unit.service; done"
        ).split()
        assert int(order[0]) < int(order[1])
    finally:
        machine.kill()
