"""Tests inside namespaces of their own: network and mounts. Nothing of the machine's is touched, nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from app.network.netlink_raw import NETLINK_NETFILTER, NETLINK_ROUTE

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_PR_SET_CHILD_SUBREAPER = 36
LIMIT = 90  # seconds a test may take

_libc = ctypes.CDLL(None, use_errno=True)


def inside(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the coroutine ``test`` in an event loop in a thread in new namespaces; children it starts are in them too."""

    @functools.wraps(test)
    def call(*args: Any, **kwargs: Any) -> None:
        problem: list[BaseException] = []

        def body() -> None:
            namespace = 0
            try:
                namespace = _unshare()
                asyncio.run(asyncio.wait_for(test(*args, **kwargs), LIMIT))
            except BaseException as error:
                problem.append(error)
            finally:
                if namespace:
                    _clear(namespace)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(LIMIT + 30)
        assert not thread.is_alive(), "the test hangs"
        if problem:
            raise problem[0]

    return call


def _unshare() -> int:
    """Returns the inode of the new network namespace."""
    Path("/run/wireguard").mkdir(exist_ok=True)  # where wireguard-go's sockets are, by a fixed path
    _adopt_orphans()
    if _libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount --make-rprivate /")
    run("mount -t tmpfs tmpfs /run/wireguard")
    run("mount -t sysfs sysfs /sys")
    run("ip link set lo up")
    run("sysctl -qw net.ipv6.conf.default.accept_dad=0")  # its end would be announced at some moment of the test
    return os.stat("/proc/thread-self/ns/net").st_ino


def _members(namespace: int) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit() and (path / "ns/net").stat().st_ino == namespace:
                found.append(int(path.name))
    return [pid for pid in found if pid != os.getpid()]


def _clear(namespace: int) -> None:
    """Kill all processes in the namespace of a test; the kernel then removes the namespace."""
    deadline = time.monotonic() + 5
    while (left := _members(namespace)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    _reap_children()


def _reap_children() -> None:
    """Reap the ended daemons that this process has adopted (see ``_adopt_orphans``)."""
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            name, _, rest = (path / "stat").read_text().partition(" (")[2].rpartition(") ")
            if name == "wireguard-go" and rest.split()[:2] == ["Z", str(os.getpid())]:
                os.waitpid(int(path.name), os.WNOHANG)


def _adopt_orphans() -> None:
    """Adopt the daemons of tests: PID 1 of the machine may never reap them."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: str, *, feed: str | None = None, check: bool = True) -> str:
    """Run a command in this namespace; returns its output. Raises AssertionError with its error message."""
    done = subprocess.run(command.split(), input=feed, capture_output=True, text=True, timeout=30, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Neighbour:
    """A second host: namespaces held by a process, and a veth pair ``wan0`` here, ``eth0`` there."""

    def __init__(self) -> None:
        script = "mount --make-rprivate / && mount -t tmpfs tmpfs /run/wireguard && ip link set lo up && echo && cat"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"\n"
        self.pid = self._holder.pid
        self._namespace = Path(f"/proc/{self.pid}/ns/net").stat().st_ino
        run(f"ip link add wan0 type veth peer name eth0 netns {self.pid}")
        run("ip link set wan0 up")
        self.run("ip link set eth0 up")

    def run(self, command: str, *, feed: str | None = None) -> str:
        return run(f"nsenter -t {self.pid} -n -m {command}", feed=feed)

    def close(self) -> None:
        _clear(self._namespace)
        self._holder.communicate()


@contextlib.contextmanager
def neighbour() -> Iterator[Neighbour]:
    host = Neighbour()
    try:
        yield host
    finally:
        host.close()


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Poll ``condition``, for changes without an event."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


class Recorder:
    """Records all rtnetlink messages (except neighbours and statistics) and nftables messages, to detect changes."""

    def __init__(self) -> None:
        import socket

        groups = {NETLINK_ROUTE: (1, 4, 5, 7, 8, 9, 10, 11, 16, 17, 18, 19), NETLINK_NETFILTER: (7,)}
        self._sockets = []
        for protocol, numbers in groups.items():
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
            sock.bind((0, 0))
            for number in numbers:
                sock.setsockopt(270, 1, number)
            self._sockets.append(sock)

    def heard(self) -> list[bytes]:
        """The messages since the last call."""
        found = []
        for sock in self._sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    found.append(sock.recv(1 << 16))
        return found

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
