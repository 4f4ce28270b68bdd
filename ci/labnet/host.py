"""A host: a network, mount and pid namespace held by one process. Kill that one and nothing of the host is left."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Run inside the new namespaces: what must not be shared with the machine or with other labs becomes private.
_PRIVATE = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/wireguard
: > /run/resolv.conf
[ ! -e /etc/resolv.conf ] || mount --bind /run/resolv.conf "$(readlink -f /etc/resolv.conf)" || true
ip link set lo up
touch /run/ready
while :; do sleep 3600 & wait $!; done  # process 1 has to bury the dead
"""


class Host:
    def __init__(self, name: str, namespace: str, holder: int, init: int) -> None:
        self.name = name
        self.namespace = namespace  # as `ip netns` shows it
        self.holder = holder  # the unshare process; killing it kills the host
        self.init = init  # the host's process 1, by its pid outside

    @classmethod
    def create(cls, name: str, namespace: str) -> Host:
        """Make the namespaces; returns once they are ready. Raises RuntimeError."""
        holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _PRIVATE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        init = 0
        while time.monotonic() < deadline:
            if holder.poll() is not None:
                problem = holder.stderr.read().decode() if holder.stderr else ""
                raise RuntimeError(f"host {name} did not start: {problem.strip()}")
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            if children:
                init = int(children[0])
                if Path(f"/proc/{init}/root/run/ready").exists():
                    break
            time.sleep(0.01)
        else:
            holder.kill()
            raise RuntimeError(f"host {name} did not start in time")
        subprocess.run(["ip", "netns", "attach", namespace, str(init)], check=True)
        return cls(name, namespace, holder.pid, init)

    def command(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self.init), "--net", "--mount", "--pid", "--wd=.", "--", *argv]

    def run(
        self, *argv: str, timeout: float = 30.0, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(
            self.command(argv), timeout=timeout, text=True, capture_output=True, check=False, **options
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
        return done

    def shell(self, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.run("sh", "-ec", script, **options)

    def start(self, *argv: str, log: Path | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """A process in the background; it ends with the host at the latest."""
        out = log.open("ab") if log else subprocess.DEVNULL
        options.setdefault("stdout", out)
        options.setdefault("stderr", out)
        options.setdefault("stdin", subprocess.DEVNULL)
        process: Any = subprocess.Popen(self.command(argv), start_new_session=True, **options)
        return process

    def write(self, path: str, text: str) -> None:
        """Write a file as the host sees it."""
        Path(f"/proc/{self.init}/root{path}").write_text(text)

    def destroy(self) -> None:
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)
        for pid in (self.init, self.holder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.holder, 0)
