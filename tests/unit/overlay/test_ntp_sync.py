"""The time daemon is told the servers that netd chose, restarted where they are others, and nothing but addresses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

OVERLAY = Path(__file__).parents[3] / "overlay"
SHIPPED = OVERLAY / "etc/systemd/timesyncd.conf.d/vpn-gateway.conf"


class Machine:
    """The script itself; ``systemctl`` is stood in for by a program that notes what it was called with."""

    def __init__(self, directory: Path) -> None:
        self.chosen, self.told = directory / "servers", directory / "zz.conf"
        self._calls = directory / "calls"
        program = directory / "bin" / "systemctl"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$*" >>{self._calls}\n')
        program.chmod(0o755)
        self.environment = {
            "PATH": f"{program.parent}:/usr/bin:/bin",
            "VPN_GATEWAY_NTP_CHOSEN": str(self.chosen),
            "VPN_GATEWAY_NTP_SHIPPED": str(SHIPPED),
            "VPN_GATEWAY_NTP_TOLD": str(self.told),
        }

    def choose(self, text: str) -> int:
        self.chosen.write_text(text)
        return self.run()

    def run(self) -> int:
        script = OVERLAY / "usr/lib/vpn-gateway/ntp-sync"
        return subprocess.run([script], env=self.environment, check=False, capture_output=True, timeout=10).returncode

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_daemon_is_told_and_restarted_once(machine: Machine) -> None:
    assert machine.choose("192.168.1.1 2001:db8::1\n") == 0
    assert machine.told.read_text() == "[Time]\nNTP=\nNTP=192.168.1.1 2001:db8::1\n"
    assert machine.run() == 0
    assert machine.calls() == ["try-restart systemd-timesyncd.service"]
    assert machine.choose("192.168.1.1\n") == 0
    assert len(machine.calls()) == 2


def test_a_list_that_changes_while_the_daemon_is_restarted_is_not_missed(machine: Machine) -> None:
    program = Path(machine.environment["PATH"].split(":")[0]) / "systemctl"
    program.write_text(program.read_text() + f"echo 192.168.1.2 >{machine.chosen}\n")
    assert machine.choose("192.168.1.1\n") == 0
    assert machine.told.read_text() == "[Time]\nNTP=\nNTP=192.168.1.2\n"
    assert len(machine.calls()) == 2


def test_the_servers_that_it_has_are_no_news(machine: Machine) -> None:
    (line,) = [x for x in SHIPPED.read_text().splitlines() if x.startswith("NTP=")]
    assert machine.choose(line.removeprefix("NTP=") + "\n") == 0
    assert not machine.told.exists()
    assert machine.calls() == []


def test_without_a_list_nothing_happens(machine: Machine) -> None:
    assert machine.run() == 0
    assert machine.calls() == []


@pytest.mark.parametrize("text", ["", "\n", "192.0.2.1\nPollIntervalMaxSec=1\n", "time.example\n", "$(reboot)\n"])
def test_what_is_no_list_of_addresses_is_refused(machine: Machine, text: str) -> None:
    assert machine.choose(text) == 1
    assert not machine.told.exists()
    assert machine.calls() == []


def test_what_it_writes_is_read_after_what_the_image_has() -> None:
    told = "zz-vpn-gateway-servers.conf"
    assert told in (OVERLAY / "usr/lib/vpn-gateway/ntp-sync").read_text()
    assert sorted([told, SHIPPED.name])[-1] == told
