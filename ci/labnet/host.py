"""A host: a network, mount and PID namespace held by one process. Killing that process removes the whole host."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NETNS = Path("/run/netns")  # where ip-netns(8) keeps the names
GONE_TIMEOUT = 10.0  # seconds

# Runs inside the new namespaces and makes private what must not be shared with the machine or with other labs. (The
# names of other namespaces are copied with the mounts; the kernel removes the copies when a name is unlinked.)
_PRIVATE = """
set -e
resolv=$(readlink -m /etc/resolv.conf)
mount -t tmpfs tmpfs /run
mkdir -p /run/wireguard
: > /run/resolv.conf
case $resolv in
  /run/resolv.conf) ;;
  /run/*) mkdir -p "${resolv%/*}"; ln -s /run/resolv.conf "$resolv" ;;  # as systemd-resolved has it
  *) [ ! -e "$resolv" ] || mount --bind /run/resolv.conf "$resolv" ;;
esac
ip link set lo up
touch /run/ready
while :; do sleep 3600 & wait $!; done  # PID 1 must reap orphans
"""


class Host:
    def __init__(self, name: str, namespace: str, holder: int, init: int) -> None:
        self.name = name
        self.namespace = namespace  # as `ip netns` shows it
        self.holder = holder  # the unshare process; killing it kills the host
        self.init = init  # the host's process 1, by its pid outside

    @classmethod
    def create(cls, name: str, namespace: str) -> Host:
        """Create the namespaces; returns once they are ready. Raises RuntimeError.

        The name is registered first: if this process is interrupted later, ``remove`` finds everything by the name.
        """
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        holder = subprocess.Popen(
            [
                *("nsenter", f"--net={NETNS / namespace}", "--"),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
                *("sh", "-c", _PRIVATE, namespace),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if holder.poll() is not None:
                problem = holder.stderr.read().decode() if holder.stderr else ""
                remove(namespace)
                raise RuntimeError(f"host {name} did not start: {problem.strip()}")
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/root/run/ready").exists():
                return cls(name, namespace, holder.pid, int(children[0]))
            time.sleep(0.01)
        remove(namespace)
        raise RuntimeError(f"host {name} did not start in time")

    def alive(self) -> bool:
        """Whether ``init`` is still this host's process, and not another one that reuses its PID."""
        try:
            return (NETNS / self.namespace).stat().st_ino == Path(f"/proc/{self.init}/ns/net").stat().st_ino
        except OSError:
            return False

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
        """Start a background process; it ends with the host at the latest."""
        with log.open("ab") if log else contextlib.nullcontext(subprocess.DEVNULL) as out:
            options.setdefault("stdout", out)
            options.setdefault("stderr", out)
            options.setdefault("stdin", subprocess.DEVNULL)
            process: Any = subprocess.Popen(self.command(argv), start_new_session=True, **options)
        return process

    def write(self, path: str, text: str) -> None:
        """Write a file at a path of the host's file system."""
        Path(f"/proc/{self.init}/root{path}").write_text(text)

    def destroy(self) -> None:
        remove(self.namespace)
        with contextlib.suppress(ChildProcessError):  # not a child, if another process created the lab
            os.waitpid(self.holder, 0)


def remove(namespace: str) -> None:
    """Kill every process within the network namespace and remove its name; the other namespaces go with them.

    The kernel lists the processes, so none is missed and no other is hit. Raises RuntimeError.
    """
    deadline = time.monotonic() + GONE_TIMEOUT
    while pids := _inside(namespace):
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes of {namespace} do not end: {pids}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def _inside(namespace: str) -> list[int]:
    done = subprocess.run(["ip", "netns", "pids", namespace], check=False, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]
