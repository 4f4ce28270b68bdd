"""kill -9 at any moment: the state always loads, and it is one that was meant.

A child writes a known sequence of states for ever and says on a pipe, before and after, which step it is at. After the
kill the state on disk must be that of the last finished step or of the one under way.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from app.store import Store

WRITER = """
import os, pathlib, sys
from msgspec.structs import replace
from app import keys
from app.model import Endpoint, Peer, TunnelConfig
from app.store import Store
from app.store.servers import split_secrets

directory, step = pathlib.Path(sys.argv[1]), int(sys.argv[2])
private, peer = keys.generate().private_key, keys.generate().public_key
store = Store(directory)
store.load()
assert store.problems == [], store.problems

def server(name):
    config = TunnelConfig(private_key=private, addresses=(), peers=(Peer(peer, Endpoint("192.0.2.1", 1)),))
    return split_secrets(config, name=name, provider="custom", location=None, added=0.0, warnings=())

while True:
    step += 1
    os.write(1, f"begin {step}\\n".encode())
    if step % 3 == 0:
        store.update_settings(lambda s: replace(s, desired={"default": f"custom/{step}"}))
    elif any(s.name == f"server{step % 5}" for s in store.servers()):
        store.remove_server(f"server{step % 5}")
    else:
        store.add_server(*server(f"server{step % 5}"))
    os.write(1, f"end {step}\\n".encode())
"""
ROOT = Path(__file__).parents[3]
KILLS = 60


def states(step: int) -> tuple[str | None, set[str]]:
    """What the writer means after ``step`` steps: (settings, names of servers)."""
    desired: str | None = None
    names: set[str] = set()
    for number in range(1, step + 1):
        if number % 3 == 0:
            desired = f"custom/{number}"
        else:
            names ^= {f"server{number % 5}"}
    return desired, names


def run_and_kill(directory: Path, step: int, whole: int, delay: float) -> tuple[int, int]:
    """Let the writer end ``whole`` steps after ``step``, begin the next, and kill it ``delay`` seconds later.

    Returns (finished, begun). Steps are waited for and not given a time, which on a busy machine is enough for none.
    """
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), str(step)], cwd=ROOT, stdout=subprocess.PIPE, bufsize=0
    ) as child:
        assert child.stdout is not None
        try:
            said = b""
            while said.count(b"begin") <= whole:
                ready, _, _ = select.select([child.stdout], [], [], 30)
                assert ready
                said += os.read(child.stdout.fileno(), 4096)
                assert child.poll() is None
            time.sleep(delay)  # the random moment
        finally:
            child.send_signal(signal.SIGKILL)
        finished = begun = step
        said += child.stdout.read()
        for line in said.decode().splitlines():
            word, _, number = line.partition(" ")
            if word == "begin":
                begun = int(number)
            else:
                finished = int(number)
    return finished, begun


def test_sixty_kills(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    chance = random.Random(7)
    step, cut = 0, 0
    for _ in range(KILLS):
        finished, begun = run_and_kill(directory, step, chance.randint(1, 3), chance.uniform(0, 0.01))
        leftovers = list(directory.glob(".new-*"))
        with Store(directory) as store:
            assert store.problems == []
            found = (store.settings.desired.get("default"), {s.name for s in store.servers()})
            assert all(store.has_secrets(s.name) for s in store.servers())
            assert set(store._secrets) == {s.name for s in store.servers()}
        assert found in (states(finished), states(begun))
        assert not list(directory.glob(".new-*"))
        cut += begun != finished or bool(leftovers)
        step = begun if found == states(begun) else finished
    assert cut > KILLS / 4  # the kills did hit writes, not the pauses between them
    assert step >= KILLS
