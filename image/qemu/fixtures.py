"""pytest fixtures for tests on the booted image; image/qemu/test loads them with ``-p image.qemu.fixtures``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from image.qemu.boot import SshKey, boot
from image.qemu.capture import Capture
from image.qemu.lab import GATEWAY, LAN_PORT, WAN_PORT, Lab
from image.qemu.machine import DEBUG_SHELL, Machine

MakeMachine = Callable[..., Machine]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "booted: needs the built image in QEMU")


@pytest.fixture(scope="session")
def work() -> Path:
    """Consoles, captures and logs stay here for a look after the tests."""
    return Path(os.environ["VPN_GATEWAY_IMAGE_LOGS"])


@pytest.fixture(scope="session")
def lab(work: Path) -> Iterator[Lab]:
    with Lab(work / "lab").running() as lab:
        yield lab


@pytest.fixture(scope="session")
def ssh_key(work: Path) -> SshKey:
    return SshKey.make(work)


@pytest.fixture(scope="session")
def new_machine(work: Path) -> MakeMachine:
    """A function that makes a machine with a fresh card, still off; it takes a name and Machine's options."""

    def make(name: str, **options: object) -> Machine:
        image = Path(os.environ["VPN_GATEWAY_IMAGE"])
        machine = Machine(image, work / name, WAN_PORT, LAN_PORT, extra_args=DEBUG_SHELL, **options)  # type: ignore[arg-type]
        machine.insert_card()
        return machine

    return make


@pytest.fixture(scope="session")
def booted(new_machine: MakeMachine, lab: Lab, ssh_key: SshKey) -> Iterator[tuple[Machine, Capture, float]]:
    """One machine for most tests, its WAN captured from power-on, and the seconds until its API answered."""
    machine = new_machine("machine")
    machine.write_boot_file("gateway.toml", f'[system]\nssh_key = "{ssh_key.public}"\n')
    with (
        machine.running(),
        Capture(lab, "vgi-isp", "wan0", machine.work / "wan.pcap", machine.wan.mac).running() as capture,
    ):
        seconds = boot(machine, lab)
        yield machine, capture, seconds


@pytest.fixture(scope="session")
def machine(booted: tuple[Machine, Capture, float]) -> Machine:
    return booted[0]


@pytest.fixture(scope="session")
def capture(booted: tuple[Machine, Capture, float]) -> Capture:
    return booted[1]


@pytest.fixture(scope="session")
def host(machine: Machine, ssh_key: SshKey) -> Host:
    """Testinfra's view of the booted machine, by SSH from the LAN."""
    assert machine.process is not None
    return testinfra.get_host(f"ssh://root@{GATEWAY}", ssh_config=str(ssh_key.config))
