"""Notifications to the service manager, on a real datagram socket like systemd's."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sd_notify import notify, stay_alive, watchdog_interval


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@vpn-gateway-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name.startswith("@") else name)
        sock.settimeout(5)
        yield sock, {"NOTIFY_SOCKET": name}


def test_notification_reaches_the_service_manager(manager: tuple[socket.socket, dict[str, str]]) -> None:
    sock, environ = manager
    assert notify("READY=1", environ)
    assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent/socket"}])
def test_missing_service_manager_is_ignored(environ: dict[str, str]) -> None:
    assert not notify("READY=1", environ)


def test_manager_that_does_not_read_blocks_nothing(manager: tuple[socket.socket, dict[str, str]]) -> None:
    began = time.monotonic()
    said = [notify("WATCHDOG=1", manager[1]) for _ in range(2000)]
    assert time.monotonic() - began < 5
    assert said[0]
    assert not said[-1]  # the queue is full by now: told, and gone on


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),  # meant for the process that started us
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_interval_is_half_of_systemds_limit(environ: dict[str, str], interval: float | None) -> None:
    assert watchdog_interval(environ, pid=7) == interval


async def test_keep_alives_stop_when_the_loop_hangs(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    sock, environ = manager
    alive = asyncio.create_task(stay_alive({**environ, "WATCHDOG_USEC": "100000"}))
    for _ in range(3):
        assert await asyncio.to_thread(sock.recv, 100) == b"WATCHDOG=1"
    # The loop hangs for longer than systemd would wait: it must say nothing meanwhile.
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(100)
    time.sleep(0.3)  # what is tested is a blocked loop
    with pytest.raises(BlockingIOError):
        sock.recv(100)
    alive.cancel()


async def test_missing_watchdog_ends_stay_alive_at_once() -> None:
    await asyncio.wait_for(stay_alive({}), 20)


def test_web_process_notifies_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    """The web process notifies when it is ready, alive and stopping."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        web = subprocess.Popen(
            [sys.executable, "-m", "app", "web", "--socket", str(tmp_path / "netd.sock"), "--bind", "127.0.0.1:0"],
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000", "PATH": "/usr/bin:/bin"},
            cwd=Path(__file__).parents[2],
        )
        try:
            said = [manager.recv(100) for _ in range(3)]
            web.send_signal(signal.SIGTERM)
            while said[-1] != b"STOPPING=1":
                said.append(manager.recv(100))
            assert web.wait(30) == 0
        finally:
            web.kill()
            web.wait()
    assert said[0] == b"READY=1"
    assert said[1] == b"WATCHDOG=1"
