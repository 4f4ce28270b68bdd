"""``make run`` on a bare machine: it comes up, it answers, Ctrl-C ends it, and nothing of it is left.

For a machine on which nothing else runs, in a clone that was set up for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Generator
from pathlib import Path

URL = "http://127.0.0.1:5000"
PATIENCE = 120.0  # seconds for the start, and again for the end
LEFT = (Path("/run/netns"), Path("/var/lib/vpn-gateway-lab"))


class BrokenPromiseError(Exception):
    """What was promised and is not so."""


@contextlib.contextmanager
def running() -> Generator[subprocess.Popen[str]]:
    """``make run``, once it says that it is up; in a process group of its own, as a terminal has it."""
    process = subprocess.Popen(
        ["make", "run"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    late = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
    late.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            if "Ctrl-C" in line:
                break
        else:
            raise BrokenPromiseError(f"make run ended before it was up, with status {process.wait()}")
        late.cancel()
        yield process
    finally:
        late.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def answers() -> None:
    with urllib.request.urlopen(f"{URL}/api/status", timeout=10) as answer:
        status = json.load(answer)
    if status.get("connected") is not False:
        raise BrokenPromiseError(f"a gateway that nobody has told to connect says {status}")
    command = [".venv/bin/vpn-gateway", "--url", URL, "servers"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.returncode or "vpn-se" not in shown.stdout:
        raise BrokenPromiseError(f"vpn-gateway servers, status {shown.returncode}: {shown.stdout}{shown.stderr}")


def ends(process: subprocess.Popen[str]) -> None:
    """As at Ctrl-C, which hits the whole group."""
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    print(said, end="")
    # GNU make waits for what it runs and then ends by the very signal.
    if process.returncode not in {0, 130, -signal.SIGINT} or "stopping" not in said:
        raise BrokenPromiseError(f"make run ended with status {process.returncode}")


def left() -> list[str]:
    found = [str(path) for place in LEFT if place.exists() for path in place.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if words and int(process.name) not in {1, os.getpid()}:
                found.append(f"process {process.name}: {words}")
    return found


def main() -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        with running() as process:
            answers()
            ends(process)
        if found := left():
            raise BrokenPromiseError(f"what it leaves: {found}")
    except BrokenPromiseError as error:
        print(f"answers: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
