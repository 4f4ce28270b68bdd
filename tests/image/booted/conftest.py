"""One machine, booted once from a fresh card, with an SSH key in its gateway.toml; testinfra speaks to it by SSH."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from image.qemu.lab import GATEWAY, LAN_PORT, WAN_PORT, Lab
from image.qemu.machine import DEBUG_SHELL, Machine
from tests.image.booted.boot import SSH_CONFIG, boot


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("VPN_GATEWAY_IMAGE_LOGS") or tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="session")
def lab(work: Path) -> Iterator[Lab]:
    with Lab(work / "lab").running() as lab:
        yield lab


@pytest.fixture(scope="session")
def machine(work: Path, lab: Lab) -> Iterator[Machine]:
    """The machine, up as far as its API answering."""
    machine = Machine(Path(os.environ["VPN_GATEWAY_IMAGE"]), work, WAN_PORT, LAN_PORT, extra_args=DEBUG_SHELL)
    key = work / "id_ed25519"
    key.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    machine.insert_card()
    machine.write_boot_file("gateway.toml", f'[system]\nssh_key = "{key.with_suffix(".pub").read_text().strip()}"\n')
    (work / "ssh_config").write_text(SSH_CONFIG.format(key=key))
    with machine.running():
        boot(machine, lab)
        yield machine


@pytest.fixture(scope="session")
def host(machine: Machine, work: Path) -> Host:
    """Testinfra's view of the booted machine."""
    return testinfra.get_host(f"ssh://root@{GATEWAY}", ssh_config=str(work / "ssh_config"))
