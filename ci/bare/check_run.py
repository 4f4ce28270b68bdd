"""Checks ``make run`` on a bare machine: the gateway comes up and answers; Ctrl-C ends it and leaves nothing behind.

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
TIMEOUT = 120.0  # seconds for the start, and again for the end
LEFTOVER_DIRECTORIES = (Path("/run/netns"), Path("/var/lib/vpn-gateway-lab"))


class CheckFailedError(Exception):
    """``make run`` did not behave as documented; the message says where."""


@contextlib.contextmanager
def running() -> Generator[subprocess.Popen[str]]:
    """Run ``make run`` in its own process group, as a terminal does; entered once the gateway reports that it is up."""
    process = subprocess.Popen(
        ["make", "run"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    late = threading.Timer(TIMEOUT, os.killpg, (process.pid, signal.SIGKILL))
    late.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            if "Ctrl-C" in line:
                break
        else:
            raise CheckFailedError(f"make run ended before it was up, with status {process.wait()}")
        late.cancel()
        yield process
    finally:
        late.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def check_answers() -> None:
    with urllib.request.urlopen(f"{URL}/api/status", timeout=10) as answer:
        status = json.load(answer)
    if status.get("connected") is not False:
        raise CheckFailedError(f"/api/status of a gateway that was never connected: {status}")
    command = [".venv/bin/vpn-gateway", "--url", URL, "servers"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.returncode or "vpn-se" not in shown.stdout:
        raise CheckFailedError(f"vpn-gateway servers, status {shown.returncode}: {shown.stdout}{shown.stderr}")


def interrupt(process: subprocess.Popen[str]) -> None:
    """Send SIGINT to the whole process group, as Ctrl-C does, and wait for the end."""
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=TIMEOUT)
    print(said, end="")
    # GNU make waits for its children and then dies of the same signal.
    if process.returncode not in {0, 130, -signal.SIGINT} or "stopping" not in said:
        raise CheckFailedError(f"make run ended with status {process.returncode}")


def leftovers() -> list[str]:
    found = [str(path) for place in LEFTOVER_DIRECTORIES if place.exists() for path in place.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has just ended
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if words and int(process.name) not in {1, os.getpid()}:
                found.append(f"process {process.name}: {words}")
    return found


def main() -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        with running() as process:
            check_answers()
            interrupt(process)
        if found := leftovers():
            raise CheckFailedError(f"left behind: {found}")
    except CheckFailedError as error:
        print(f"check_run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
