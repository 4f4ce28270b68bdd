"""The clock never runs backwards: the script itself, with a clock that the test sets. The booted image is tested too.

Linux has no namespace for the wall clock (time_namespaces(7) shift the monotonic ones), so ``date`` and ``touch`` are
stood in for by programs that go by a file of the test's.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "overlay/usr/lib/vpn-gateway/clock"
BUILT = 1_790_000_000  # the image's day, September 2026
YEAR = 365 * 86400
DATE = """#!/bin/sh
case "$*" in
  +%s) cat "$CLOCK" ;;
  "-u -s @"*) echo "${3#@}" >"$CLOCK" ;;
  *) exit 9 ;;
esac
"""
TOUCH = '#!/bin/sh\nexec /usr/bin/touch -d "@$(cat "$CLOCK")" "$@"\n'


class Machine:
    def __init__(self, directory: Path) -> None:
        self.clock, self.stamp = directory / "clock", directory / "data" / "stamp"
        self.uptime = directory / "uptime"
        self.started(0)
        self.stamp.parent.mkdir()
        (directory / "bin").mkdir()
        for name, text in (("date", DATE), ("touch", TOUCH)):
            program = directory / "bin" / name
            program.write_text(text)
            program.chmod(0o755)
        built = directory / "version"
        built.touch()
        os.utime(built, (BUILT, BUILT))
        self.environment = {
            "PATH": f"{directory}/bin:/usr/bin:/bin",
            "CLOCK": str(self.clock),
            "VPN_GATEWAY_CLOCK_STAMP": str(self.stamp),
            "VPN_GATEWAY_BUILT": str(built),
            "VPN_GATEWAY_UPTIME": str(self.uptime),
        }

    @property
    def now(self) -> int:
        return int(self.clock.read_text())

    def at(self, time: int) -> Machine:
        """Somebody sets the clock."""
        self.clock.write_text(f"{time}\n")
        return self

    def started(self, seconds: int) -> Machine:
        """The machine has been up for ``seconds``."""
        self.uptime.write_text(f"{seconds}.42 17.00\n")
        return self

    def passed(self, seconds: int) -> Machine:
        self.started(int(float(self.uptime.read_text().split()[0])) + seconds)
        return self.at(self.now + seconds)

    def switched_on(self, clock: int = 0) -> Machine:
        self.started(5).at(clock).run("restore")
        return self

    def run(self, action: str) -> None:
        subprocess.run([SCRIPT, action], env=self.environment, check=True, timeout=10)

    def stamped(self) -> int:
        return int(self.stamp.stat().st_mtime)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("clock", [0, 1_577_836_800], ids=["1970", "2020"])
def test_a_first_start_begins_no_earlier_than_the_image(machine: Machine, clock: int) -> None:
    machine.at(clock).run("restore")
    assert machine.now == BUILT
    assert machine.stamped() == BUILT


@pytest.mark.parametrize("clock", [0, 1_577_836_800], ids=["1970", "2020"])
def test_after_a_power_cut_it_goes_on_after_the_last_moment_that_can_have_passed(machine: Machine, clock: int) -> None:
    machine.at(BUILT + YEAR).run("restore")
    machine.at(BUILT + YEAR + 600).run("save")
    cut = BUILT + YEAR + 600 + 64  # just before the next save: a minute and the timer's accuracy
    machine.at(clock).run("restore")
    assert cut < machine.now <= cut + 30


def test_each_of_many_power_cuts_in_a_row_goes_forward(machine: Machine) -> None:
    before = 0
    for _ in range(5):
        machine.at(0).run("restore")
        assert machine.now > before
        before = machine.now


def test_a_clock_that_is_right_is_left_alone(machine: Machine) -> None:
    machine.at(BUILT + YEAR).run("save")
    machine.at(BUILT + 2 * YEAR).run("restore")
    assert machine.now == BUILT + 2 * YEAR


def test_a_clock_set_back_does_not_take_the_stamp_along(machine: Machine) -> None:
    machine.at(BUILT + YEAR).run("save")
    machine.at(BUILT).run("save")
    assert machine.stamped() == BUILT + YEAR


def test_a_stamp_from_a_far_future_does_not_lock_the_clock_there(machine: Machine) -> None:
    machine.at(BUILT + 100 * YEAR).run("save")
    machine.at(0).run("restore")
    assert machine.now == BUILT


def test_after_an_orderly_shutdown_it_is_hardly_ahead(machine: Machine) -> None:
    """A server that has seen the clock ahead ignores us for as long as NTP has set it back by."""
    machine.switched_on().at(BUILT + YEAR).passed(600).run("stop")
    off = machine.now
    machine.switched_on()
    # What is left of the shutdown, in which the kernel may still shake hands, and no more.
    assert off + 5 <= machine.now <= off + 10


def test_a_power_cut_after_an_orderly_start_is_a_power_cut(machine: Machine) -> None:
    machine.switched_on().at(BUILT + YEAR).run("stop")
    machine.switched_on().passed(64)  # just before the first save
    cut = machine.now
    machine.switched_on()
    assert machine.now > cut


def test_an_orderly_shutdown_that_ends_the_minute_after_a_save_counts(machine: Machine) -> None:
    machine.switched_on().at(BUILT + YEAR).run("save")
    machine.passed(30).run("stop")
    off = machine.now
    machine.switched_on()
    assert machine.now <= off + 10


def test_what_the_clock_said_before_it_was_set_back_is_not_forgotten(machine: Machine) -> None:
    """A handshake may have carried the latest of it, be it that no save has seen it."""
    machine.switched_on().at(BUILT + YEAR).run("save")
    latest = machine.passed(50).now  # between two saves
    machine.at(latest - 80).passed(10).run("stop")
    machine.switched_on()
    assert machine.now > latest


def test_a_clock_that_is_set_forward_is_followed(machine: Machine) -> None:
    machine.switched_on().at(BUILT + YEAR).passed(60).run("save")
    assert machine.stamped() == machine.now
    machine.passed(60).run("save")
    assert machine.stamped() == machine.now
