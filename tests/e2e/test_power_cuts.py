"""The plug is pulled at random moments, while it starts and while it writes: it always comes back with its settings."""

from __future__ import annotations

import random
import time

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine, Measure
from image.qemu.lab import Lab
from image.qemu.machine import Machine

SEED = 20
# Cuts in a row, each of them while it starts, before it is let come up, looked at, and cut while it writes. The first
# row hits the first start, which makes the data partition, grows it and takes gateway.toml.
ROWS = (5, 5, 4, 3)
START = (0.05, 0.9)  # of the time that a start takes; the first parts are the kernel, which writes nothing
WRITING = 8  # seconds at most


def test_power_cuts(new_machine: MakeMachine, bench: Lab, measure: Measure) -> None:
    chance = random.Random(SEED)
    machine = new_machine("power")
    machine.write_boot_file("gateway.toml", '[system]\nhostname = "attic"\n')
    stored: set[str] = set()  # servers whose import was answered: they must be there ever after
    cuts = 0
    # What a start takes here, from the kernel to the API; renewed by every start that is let through.
    length = 60.0
    for row in ROWS:
        for _ in range(row):
            machine.start()
            time.sleep(chance.uniform(*START) * length)
            machine.kill()
            cuts += 1
        machine.start()
        length = boot(machine, bench).lease
        whole(machine, bench, stored)
        stored |= write_on(bench, f"server-{cuts}", chance.uniform(0.5, WRITING))
        machine.kill()
        cuts += 1
    machine.start()
    boot(machine, bench)
    whole(machine, bench, stored)
    measure("power cuts survived", cuts)
    assert cuts >= 20
    assert stored


def whole(machine: Machine, bench: Lab, stored: set[str]) -> None:
    """It has every setting that was ever confirmed, and a data partition that is written to, not a stand-in."""
    assert stored <= servers(bench)
    assert machine.shell("hostname").strip() == "attic"
    assert machine.shell("findmnt -no FSTYPE,OPTIONS /data").startswith("ext4 rw")


def write_on(bench: Lab, prefix: str, seconds: float) -> set[str]:
    """Import servers for ``seconds``; returns those that the gateway has confirmed."""
    confirmed: set[str] = set()
    end = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < end:
        tried += 1
        name = f"{prefix}-{tried}"
        if bench.api("POST", "/api/import", {"name": name, "config": bench.client_conf()}, 10)[0] in {200, 201}:
            confirmed.add(name)
    return confirmed


def servers(bench: Lab) -> set[str]:
    assert bench.api("POST", "/api/provider/imported")[0] == 200
    status, answer = bench.api("GET", "/api/servers")
    assert status == 200
    return {s["hostname"] for cities in answer["servers"].values() for there in cities.values() for s in there}
