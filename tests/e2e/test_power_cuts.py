"""Power cuts during boot and during writes: the gateway always comes back with its settings.

Every start is cut at many moments, and each card that a cut leaves is checked and read as the next start would. From
some of them the machine is started again, and that start is cut as well: the first start, which makes keys, takes in
files and grows the data partition, is interrupted before it is through.
"""

from __future__ import annotations

from pathlib import Path

from image.qemu.boot import BOOT_TIMEOUT, boot
from image.qemu.card import Card
from image.qemu.cuts import Cut, Cuts
from image.qemu.fixtures import MakeMachine, Measure
from image.qemu.lab import Lab, until
from image.qemu.machine import Machine

# From which of a start's cuts the next start begins, as a part of their number; the last one is cut while it writes.
GO_ON_FROM = (0.4, 1.0)
IMPORTS = 6  # in each start
FILE = "home"  # a server given as a file on the card


def test_power_cuts(new_machine: MakeMachine, bench: Lab, measure: Measure, work: Path) -> None:
    machine = new_machine("power")
    conf = bench.client_conf()
    machine.write_boot_file("gateway.toml", '[system]\nhostname = "attic"\n')
    machine.write_boot_file(f"{FILE}.conf", conf)
    promised: set[str] = set()  # servers whose import was answered: they must be there ever after
    cuts: list[Cut] = []
    for number, part in enumerate((*GO_ON_FROM, None)):
        machine.start()
        with Cuts(machine, promised) as row:
            boot(machine, bench)
            until(lambda: FILE in servers(bench), BOOT_TIMEOUT, "the server of the file on the card")
            whole(machine, bench, promised)
            row.restart_distances()
            write_on(bench, f"server-{number}", promised)
        machine.kill()
        row.taken.append(Cut(machine.disk, -1, "the plug pulled while it wrote", frozenset(promised)))
        for cut in row.taken:
            judge(cut, conf, work / "power" / "looked-at")
        cuts += row.taken
        if part is not None:
            cut = row.taken[min(int(part * len(row.taken)), len(row.taken) - 1)]
            promised = set(cut.promised)
            machine.insert_card(cut.card)
    measure("power cuts, each card checked", len(cuts))
    measure("power cuts, started again from", len(GO_ON_FROM))
    assert len(cuts) >= 20
    assert any(cut.promised for cut in cuts)


def judge(cut: Cut, conf: str, work: Path) -> None:
    """The card is whole, has all that was promised, and the file on it is imported or still there to be."""
    card = Card(cut.card, work)
    there = card.servers()
    assert cut.promised <= there, f"{cut}: lost {cut.promised - there}"
    assert FILE in there or card.boot_file(f"{FILE}.conf") == conf, f"{cut}: the file is lost"


def whole(machine: Machine, bench: Lab, promised: set[str]) -> None:
    """It has every setting that was ever confirmed, and a data partition that is written to, not a stand-in."""
    assert promised <= servers(bench)
    assert machine.shell("hostname").strip() == "attic"
    assert machine.shell("findmnt -no FSTYPE,OPTIONS /data").startswith("ext4 rw")


def write_on(bench: Lab, prefix: str, promised: set[str]) -> None:
    """Import servers, and note each as soon as the gateway has confirmed it."""
    for number in range(IMPORTS):
        name = f"{prefix}-{number}"
        status, answer = bench.api("POST", "/api/import", {"name": name, "config": bench.client_conf()}, 30)
        assert status in {200, 201}, answer
        promised.add(name)


def servers(bench: Lab) -> set[str]:
    assert bench.api("POST", "/api/provider/imported")[0] == 200
    status, answer = bench.api("GET", "/api/servers")
    assert status == 200
    return {s["hostname"] for cities in answer["servers"].values() for there in cities.values() for s in there}
