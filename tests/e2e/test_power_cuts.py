"""The plug is pulled at random moments, while it starts and while it writes: it always comes back with its settings."""

from __future__ import annotations

import random
import time

from image.qemu.boot import boot
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab

CUTS = 20
SEED = 20


def test_power_cuts(new_machine: MakeMachine, lab: Lab) -> None:
    chance = random.Random(SEED)
    machine = new_machine("power")
    stored: set[str] = set()  # servers whose import was answered: they must be there ever after
    tried = 0
    try:
        for cut in range(CUTS):
            machine.start()
            if cut % 2:  # while it starts
                machine.wait_console("Welcome to", 120)
                time.sleep(chance.uniform(0, 40))
            else:  # while it writes
                boot(machine, lab)
                assert stored <= servers(lab), f"lost after cut {cut}"
                end = time.monotonic() + chance.uniform(0.5, 6)
                while time.monotonic() < end:
                    tried += 1
                    name = f"server-{tried}"
                    if lab.api("POST", "/api/import", {"name": name, "config": lab.client_conf()}, 10)[0] in {
                        200,
                        201,
                    }:
                        stored.add(name)
            machine.kill()
        machine.start()
        boot(machine, lab)
        assert stored <= servers(lab)
        print(f"{CUTS} power cuts; {len(stored)} servers stored and all there")
        assert stored
    finally:
        machine.kill()


def servers(lab: Lab) -> set[str]:
    assert lab.api("POST", "/api/provider/imported")[0] == 200
    status, answer = lab.api("GET", "/api/servers")
    assert status == 200
    return {s["hostname"] for cities in answer["servers"].values() for there in cities.values() for s in there}
