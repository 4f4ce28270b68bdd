"""pytest fixtures for tests on the booted image; image/qemu/test loads them with ``-p image.qemu.fixtures``.

There are two labs, so that two runs can go on beside each other: ``lab`` with the one machine that most tests look at,
and ``bench``, where machines come and go.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from image.qemu.boot import SshKey, boot
from image.qemu.capture import Capture
from image.qemu.lab import GATEWAY, WEB, Lab, until
from image.qemu.machine import DEBUG_SHELL, Machine
from image.qemu.progress import LANE

MEMORY_READINGS, MEMORY_PAUSE = 5, 3.0  # seconds between them
PAGE = 4  # kB
JOBS = "systemctl list-jobs --no-legend; systemctl list-units --no-legend --state=activating,deactivating"

MakeMachine = Callable[..., Machine]
Measure = Callable[..., None]


@pytest.fixture(scope="session")
def work() -> Path:
    """The directory of consoles, captures and logs, which is kept after the tests."""
    return Path(os.environ["VPN_GATEWAY_IMAGE_LOGS"])


@pytest.fixture(scope="session")
def measure(work: Path) -> Measure:
    """``measure(name, value, unit, limit)``: a line of the table that image/qemu/test prints at the end."""

    def write(name: str, value: float, unit: str = "", limit: float | None = None) -> None:
        with (work / "measured.jsonl").open("a") as file:
            file.write(json.dumps({"name": name, "value": value, "unit": unit, "limit": limit}) + "\n")

    return write


@pytest.fixture(scope="session")
def lab(work: Path) -> Iterator[Lab]:
    with Lab(work / "lab", "vgi").running() as lab:
        yield lab


@pytest.fixture(scope="session")
def bench(work: Path) -> Iterator[Lab]:
    lane = os.environ.get(LANE, "bench")  # two lanes run beside each other
    offers = (f"option:ntp-server,{WEB}",)
    with Lab(work / f"bench-{lane}", f"vg{lane[0]}", offers=offers).running() as lab:
        yield lab


@pytest.fixture(scope="session")
def ssh_key(work: Path, lab: Lab) -> SshKey:
    return SshKey.make(work, lab.lan)


def fresh_machine(work: Path, lab: Lab, kind: type[Machine] = Machine, **options: object) -> Machine:
    """A machine with a fresh card, still off; ``options`` are Machine's."""
    image = Path(os.environ["VPN_GATEWAY_IMAGE"])
    machine = kind(image, work, lab.wan_port, lab.lan_port, **{"extra_args": DEBUG_SHELL, **options})  # type: ignore[arg-type]
    machine.insert_card()
    return machine


@pytest.fixture
def new_machine(work: Path, bench: Lab) -> Iterator[MakeMachine]:
    """A function that makes a machine in the lab ``bench``; it takes a name and Machine's options."""
    machines: list[Machine] = []

    def make(name: str, **options: Any) -> Machine:
        machines.append(fresh_machine(work / name, bench, **options))
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()


@pytest.fixture(scope="session")
def booted(work: Path, lab: Lab, ssh_key: SshKey) -> Iterator[tuple[Machine, Capture]]:
    """One machine for most tests, with its WAN captured from power-on to the end."""
    machine = fresh_machine(work / "machine", lab)
    machine.write_boot_file("gateway.toml", f'[system]\nssh_key = "{ssh_key.public}"\n')
    with (
        machine.running(),
        Capture(lab, lab.isp, "wan0", machine.work / "wan.pcap", machine.wan.mac).running() as capture,
    ):
        boot(machine, lab)
        yield machine, capture


@pytest.fixture(scope="session")
def machine(booted: tuple[Machine, Capture]) -> Machine:
    return booted[0]


@pytest.fixture(scope="session")
def capture(booted: tuple[Machine, Capture]) -> Capture:
    return booted[1]


@pytest.fixture(scope="session")
def inside(machine: Machine, ssh_key: SshKey) -> Host:
    """Testinfra's view of the booted machine, by SSH from the LAN."""
    assert machine.process is not None
    ssh_key.wait()
    return testinfra.get_host(f"ssh://root@{GATEWAY}", ssh_config=str(ssh_key.config))


@contextlib.contextmanager
def owner(host: Host, password: str) -> Generator[None]:
    """Within this context the gateway has an owner with this password."""
    environment = "PYTHONPATH=/usr/lib/vpn-gateway:/usr/lib/vpn-gateway/site"
    state = "--state-dir /var/lib/vpn-gateway-web --netd-state-dir /var/lib/vpn-gateway"
    auth = f"cd / && {environment} /usr/bin/python3 -sP -m app auth"
    host.check_output(f"echo {shlex.quote(password)} | ({auth} set-password {state})")
    try:
        yield
    finally:
        host.check_output(f"{auth} reset {state}")


def memory_used(host: Host) -> float:
    """Memory in MB that is neither free nor cache, as top(1) and htop(1) count it, while no job of systemd runs.

    Two things that come and go are left out. A program that a path unit has started takes its share for a second on a
    Pi, and for ten where it is emulated, so the figure is the median of readings taken over a while. And what a program
    has just freed waits in the processors' own lists (/proc/zoneinfo), up to 27 MB in each of this machine's, which
    /proc/meminfo does not count as free.
    """
    readings = []
    for _ in range(MEMORY_READINGS):
        until(lambda: not host.check_output(JOBS), 120, "no job of systemd, and no unit that starts or stops")
        readings.append(_memory_now(host.check_output("cat /proc/meminfo /proc/zoneinfo")))
        time.sleep(MEMORY_PAUSE)
    return statistics.median(readings)


def _memory_now(text: str) -> float:
    kb = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    in_lists = sum(map(int, re.findall(r"^\s+count:\s+(\d+)$", text, re.MULTILINE))) * PAGE
    free = kb["MemFree"] + in_lists + kb["Buffers"] + kb["Cached"] + kb["SReclaimable"] - kb["Shmem"]
    return (kb["MemTotal"] - free) / 1024
