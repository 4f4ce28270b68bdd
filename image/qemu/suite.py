"""The image's tests: which run one after the other, which side by side, and what came of each.

There are two sets: the tests of every change, and longer ones that are run now and then (``--more``).

``image/qemu/test`` calls ``python -m image.qemu.suite``. The exit status is 0 only where every lane ran all of its
tests and every test passed: a failure, a skipped test, a lane without tests and a lane stopped by its time limit all
end red, each with the name of the test.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from image.qemu import table
from image.qemu.progress import LANE, PIPE

GRACE = 60.0  # seconds for a stopped lane to take its machines and namespaces down
TEST_LIMIT = 1800  # seconds for one test, whatever hangs; pytest-timeout names the test


@dataclass(frozen=True)
class Lane:
    """Tests that run in one pytest, one after the other."""

    name: str
    limit: float  # seconds for all of them; emulated, on two cores that other lanes use too
    tests: tuple[str, ...]


# The lanes of a stage run side by side, each with a lab of its own; a stage begins when the one before is over.
STAGES: tuple[tuple[Lane, ...], ...] = (
    (Lane("start", 900, ("tests/e2e/test_boot_time.py",)),),  # alone: it measures
    (
        Lane(
            "machine",
            3000,
            ("tests/image", "tests/e2e/test_gateway.py", "tests/e2e/test_pi.py", "tests/e2e/test_wiring.py"),
        ),
        Lane(
            "cards",
            3000,
            ("tests/e2e/test_power_cuts.py", "tests/e2e/test_first_boot.py"),
        ),
    ),
)

# What people plug in and how their WAN comes: each starts machines of its own and takes minutes.
MORE: tuple[tuple[Lane, ...], ...] = (
    (
        Lane(
            "ports",
            8400,
            (
                "tests/e2e/test_wan_choice.py",
                "tests/e2e/test_pi_ports.py",
                "tests/e2e/test_disks.py",
                "tests/e2e/test_phone.py",
            ),
        ),
        Lane(
            "uplinks",
            8400,
            (
                "tests/e2e/test_pppoe.py",
                "tests/e2e/test_vlan.py",
                "tests/e2e/test_wifi.py",
                "tests/e2e/test_clock.py",
            ),
        ),
    ),
)


@dataclass
class Outcome:
    """What came of a lane: ``faults`` is empty where all of its tests passed."""

    lane: Lane
    passed: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.lane.name:<10} {self.seconds:6.0f} s  {self.passed} passed" + "".join(
            f"\n{'':<22}{fault}" for fault in self.faults
        )


class Run:
    """One lane's pytest, and what it tells of its tests."""

    def __init__(self, lane: Lane, output: Path, options: Sequence[str]) -> None:
        self.outcome = Outcome(lane)
        self._began = time.monotonic()
        self._running: str | None = None
        read, write = os.pipe()
        command = [sys.executable, "-m", "pytest", "-p", "image.qemu.fixtures", "-p", "image.qemu.progress"]
        with output.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-q", "--timeout", str(TEST_LIMIT), "--durations", "10", *options, *lane.tests],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, PIPE: str(write), LANE: lane.name},
                pass_fds=(write,),
                start_new_session=True,  # it is stopped with all that it started
            )
        os.close(write)
        self._listener = threading.Thread(target=self._listen, args=(os.fdopen(read),), daemon=True)
        self._listener.start()

    def _listen(self, pipe: TextIO) -> None:
        with pipe:
            for line in pipe:
                told = json.loads(line)
                if "begins" in told:
                    self._running = told["begins"]
                    continue
                self._running = None
                outcome, name = told["outcome"], told["ended"]
                fault = f"{outcome}: {name}" + (f": {told['reason']}" if told["reason"] else "")
                say(f"{self.outcome.lane.name}: {fault} ({told['seconds']} s)")
                if outcome == "passed":
                    self.outcome.passed += 1
                else:
                    self.outcome.faults.append(fault)

    def wait(self) -> Outcome:
        """Wait for the lane's end, by itself or by its limit, and judge it."""
        lane = self.outcome.lane
        try:
            status = self._process.wait(max(0.0, self._began + lane.limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            where = self._running or "no test"
            self.stop()
            self.outcome.faults.append(f"stopped after {lane.limit:g} s, while this ran: {where}")
        else:
            self._listener.join(GRACE)
            if self._running:
                self.outcome.faults.append(f"pytest ended (status {status}) while this ran: {self._running}")
            elif status and not self.outcome.faults:
                self.outcome.faults.append(f"pytest ended with status {status}")
            elif not self.outcome.passed and not self.outcome.faults:
                self.outcome.faults.append("no test ran")
        self.outcome.seconds = time.monotonic() - self._began
        return self.outcome

    def stop(self) -> None:
        """Interrupt pytest, so that it takes its machines and namespaces down; kill what is left after that."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def run(stages: Iterable[Sequence[Lane]], logs: Path, options: Sequence[str] = ()) -> list[Outcome]:
    """Run every stage, whatever came of the one before; pytest's output of a lane goes to ``logs/LANE.txt``."""
    outcomes: list[Outcome] = []
    for stage in stages:
        say("tests: " + ", ".join(lane.name for lane in stage))
        runs = [Run(lane, logs / f"{lane.name}.txt", options) for lane in stage]
        try:
            outcomes += [one.wait() for one in runs]
        finally:
            for one in runs:
                one.stop()
    return outcomes


def report(outcomes: Sequence[Outcome], logs: Path) -> bool:
    """Print what pytest said, and a line a lane; returns whether all is well."""
    for outcome in outcomes:
        print((logs / f"{outcome.lane.name}.txt").read_text(errors="replace"), end="")
    print()
    for outcome in outcomes:
        print(outcome)
    return all(not outcome.faults for outcome in outcomes)


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="image/qemu/test", description="Boot the built image in QEMU and test it.")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True, help="for consoles, captures and output")
    parser.add_argument("--table", type=Path, required=True, help="for what was measured")
    parser.add_argument("--more", action="store_true", help="the longer tests instead of those of every change")
    parser.add_argument("chosen", nargs="*", help="pytest's options and paths, instead of all tests")
    options = parser.parse_args(arguments)
    # Whoever started this may ignore SIGINT (a shell's background job); what is started here must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["VPN_GATEWAY_IMAGE"] = str(options.image)
    os.environ["VPN_GATEWAY_IMAGE_LOGS"] = str(options.logs)
    stages = MORE if options.more else STAGES
    if options.chosen:
        stages = ((Lane("chosen", 3600, tuple(options.chosen)),),)
    well = report(run(stages, options.logs), options.logs)
    if not options.chosen:
        lines = table.lines(options.image, options.logs)
        options.table.write_text("".join(lines))
        print("\n" + "".join(lines), end="")
    if not well:
        print(f"\nimage: the image did not pass; consoles and captures are in {options.logs}", file=sys.stderr)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
