"""A supervisor inside the gateway host, in place of systemd: restarts netd and web after a crash.

``supervise.py DIRECTORY NAME=COMMAND ...``: while ``DIRECTORY/hold-NAME`` exists, NAME is not restarted.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

RESTART = 0.5  # seconds between an end and the next start


def main() -> None:
    directory = Path(sys.argv[1])
    commands = dict(argument.split("=", 1) for argument in sys.argv[2:])
    running: dict[str, subprocess.Popen[bytes]] = {}
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    due = dict.fromkeys(commands, 0.0)
    while not stopping:
        for name, command in commands.items():
            process = running.get(name)
            if process is not None and process.poll() is not None:
                del running[name]
                due[name] = time.monotonic() + RESTART
            if name not in running and time.monotonic() >= due[name] and not (directory / f"hold-{name}").exists():
                with (directory / f"{name}.log").open("ab") as log:
                    running[name] = subprocess.Popen(
                        shlex.split(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, close_fds=False
                    )
                (directory / f"{name}.pid").write_text(str(running[name].pid))
        time.sleep(0.05)
    for process in running.values():
        process.terminate()
    for process in running.values():
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    main()
