"""Boot time, compared with the bare base on the same board. image/qemu/test runs this test in its own lane."""

from __future__ import annotations

import os
import time
from pathlib import Path

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine, Measure
from image.qemu.lab import Lab
from image.qemu.machine import Machine, MachineError

BASE_TIMEOUT = 600  # seconds
# What the start waited for and what used the processor, kept beside the console as where.txt.
WHERE = (
    "systemctl is-system-running --wait",
    "systemd-analyze time",
    "systemd-analyze critical-chain vpn-gateway-web.service",
    "systemd-analyze critical-chain vpn-gateway-settled.service",
    "systemd-analyze blame | head -n 60",
    "systemctl show --type=service --property=Id,CPUUsageNSec,ActiveEnterTimestampMonotonic '*'",
    "ps -eo pid,ni,time,args --sort=-time | head -n 40",
    "journalctl -b --no-pager -o short-monotonic",
)


def test_start_beside_the_bare_base(new_machine: MakeMachine, bench: Lab, measure: Measure) -> None:
    """The second start of each: the first one makes keys and grows the data partition, once in a card's life."""
    gateway = new_machine("boot-time")
    gateway.start()
    first = boot(gateway, bench)
    gateway.shell("systemctl --no-block poweroff")
    gateway.wait_off(400)
    gateway.start()
    ours = boot(gateway, bench)
    keep(gateway)
    gateway.close()

    base = new_machine("boot-time-base", other_root=Path(os.environ["VPN_GATEWAY_IMAGE_LOGS"]) / "base.ext4")
    to_login(base)
    base.shell("systemctl --no-block poweroff")
    base.wait_off(400)
    bare = to_login(base)
    keep(base)

    measure("power-on to API ready, first start", first.api, "s")
    measure("power-on to API ready", ours.api, "s")
    measure("power-on to a lease for a device", ours.lease, "s")
    measure("power-on to login prompt, bare base", bare, "s")
    measure("API ready / bare base", ours.api / bare, "x", 1.3)


def keep(machine: Machine) -> None:
    """Write down where the time of the start went; for people, so nothing here fails the test."""
    said: list[str] = []
    for command in WHERE:
        try:
            said.append(f"# {command}\n{machine.shell(command, timeout=300)}\n")
        except (MachineError, OSError) as error:
            said.append(f"# {command}\nno answer: {str(error).splitlines()[0]}\n")
    (machine.work / "where.txt").write_text("\n".join(said))


def to_login(machine: Machine) -> float:
    begin = time.monotonic()
    machine.start()
    machine.wait_console("login: ", BASE_TIMEOUT)
    return time.monotonic() - begin
