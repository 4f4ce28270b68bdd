"""``python -m app web`` as it is run: its own process, netd's Unix socket, inherited and systemd's descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import requests

from app.web.server import GRACE
from app.web.sockets import systemd_fds
from tests.support.ws_client import WebSocketClient

WEB = (sys.executable, "-m", "app", "web")
# kB of PSS; the budget of both processes together is 80 MB, of which netd takes 28. Signing in brings argon2 and the
# libraries that tokens need: 9 MB of code, which other processes share or not.
MEMORY_LIMIT = 40 * 1024
MEMORY_LIMIT_SIGNED_IN = 50 * 1024


def listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.set_inheritable(True)
    return sock


@contextlib.asynccontextmanager
async def web(*arguments: str, fds: tuple[int, ...] = ()) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*WEB, *arguments, pass_fds=fds)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def netd(path: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.fake_netd", str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def get(port: int, path: str) -> requests.Response:
    return await asyncio.to_thread(requests.get, f"http://127.0.0.1:{port}{path}", timeout=20)


async def until_health_is(port: int, status: int) -> requests.Response:
    async with asyncio.timeout(20):
        while (answer := await get(port, "/health")).status_code != status:
            await asyncio.sleep(0.05)
        return answer


async def test_it_outlives_netd_and_finds_it_again(tmp_path: Path) -> None:
    path = tmp_path / "netd.sock"
    with listening() as first, listening() as second:
        ports = [s.getsockname()[1] for s in (first, second)]
        fds = (first.fileno(), second.fileno())
        async with web("--socket", str(path), "--fd", str(fds[0]), "--fd", str(fds[1]), fds=fds):
            assert "not running" in (await get(ports[0], "/health")).text
            assert (await get(ports[1], "/api/status")).status_code == 503
            assert (await get(ports[1], "/")).status_code == 200
            async with netd(path):
                await until_health_is(ports[0], 200)
                assert (await get(ports[1], "/api/status")).json()["state"] == "disconnected"
            await until_health_is(ports[0], 503)
            with await asyncio.to_thread(WebSocketClient, ports[0]) as client:
                assert ((await asyncio.to_thread(client.receive)) or {})["type"] == "unavailable"
                async with netd(path):
                    # The hub may have told of it a second time, if the client came while it was just about to.
                    told = [((await asyncio.to_thread(client.receive)) or {})["type"]]
                    if told == ["unavailable"]:
                        told = [((await asyncio.to_thread(client.receive)) or {})["type"]]
                    assert told == ["status_change"]
                    await until_health_is(ports[0], 200)
            await until_health_is(ports[0], 503)


def peak_memory(pid: int | None) -> int:
    """kB that were ever resident at once (proc(5))."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def send_without_end(port: int, megabytes: int) -> bytes:
    """A body in chunks, whose length nobody tells beforehand; what was answered."""
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"POST /api/connect HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):  # answered and closed before it had everything
            for _ in range(megabytes * 16):
                client.sendall(chunk)
            client.sendall(b"0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            return client.recv(65536)
    return b""


async def test_a_body_without_end_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "netd.sock"
    with listening() as sock:
        port = sock.getsockname()[1]
        async with netd(path), web("--socket", str(path), "--fd", str(sock.fileno()), fds=(sock.fileno(),)) as process:
            await until_health_is(port, 200)
            assert b" 413 " in await asyncio.to_thread(send_without_end, port, 1)
            before = peak_memory(process.pid)
            await asyncio.to_thread(send_without_end, port, 128)
            assert peak_memory(process.pid) - before < 16 * 1024
            await until_health_is(port, 200)


PARTS = """
import sys
from app import lean
lean.install(lean.WEB)
import app.web.main
print(*(m for m in sys.modules if m.split(".")[0] in {"click", "jinja2", "http2", "hpack"}))
"""


async def test_the_framework_works_without_the_parts_that_are_left_out(tmp_path: Path) -> None:
    """Tests of single endpoints use it whole; here it is as the gateway runs it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PARTS, stdout=asyncio.subprocess.PIPE)
    loaded, _ = await process.communicate()
    assert process.returncode == 0
    assert set(loaded.decode().split()) <= {"click", "jinja2", "jinja2.loaders"}
    with listening() as sock:
        port, fd = sock.getsockname()[1], sock.fileno()
        path = tmp_path / "netd.sock"
        async with netd(path), web("--socket", str(path), "--fd", str(fd), fds=(fd,)):
            await until_health_is(port, 200)
            status = (await get(port, "/api/status")).json()
            query = {"query": "{ status { state } }"}
            url = f"http://127.0.0.1:{port}"
            said = (await asyncio.to_thread(requests.post, f"{url}/graphql", json=query, timeout=60)).json()
            assert said["data"]["status"]["state"].lower() == status["state"].lower()
            assert (await get(port, "/api/no-such-path")).json()["code"] == "not_found"
            assert (await get(port, "/")).headers["Content-Type"].startswith("text/html")
            assert "# HELP" in (await get(port, "/metrics")).text
            wrong = await asyncio.to_thread(requests.delete, f"{url}/api/status", timeout=20)
            assert (wrong.status_code, wrong.json()["success"]) == (405, False)


async def test_sigterm_ends_the_process_despite_open_connections(tmp_path: Path) -> None:
    path = tmp_path / "netd.sock"
    with listening() as sock, requests.Session() as idle:
        port = sock.getsockname()[1]
        async with netd(path), web("--socket", str(path), "--fd", str(sock.fileno()), fds=(sock.fileno(),)) as process:
            await asyncio.to_thread(idle.get, f"http://127.0.0.1:{port}/health", timeout=20)
            clients = [await asyncio.to_thread(WebSocketClient, port) for _ in range(5)]
            for client in clients:
                await asyncio.to_thread(client.receive)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            assert time.monotonic() - started < GRACE
            for client in clients:
                with client:
                    assert await asyncio.to_thread(client.receive) is None


async def test_it_takes_sockets_from_systemd(tmp_path: Path) -> None:
    with listening() as sock:
        # The shell becomes the process, so that LISTEN_PID is right and the descriptor is 3 (sd_listen_fds(3)).
        script = f'exec 3<&{sock.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", script, "-", *WEB, "--socket", str(tmp_path / "none.sock"), pass_fds=(sock.fileno(),)
        )
        try:
            assert (await get(sock.getsockname()[1], "/health")).status_code == 503
        finally:
            process.kill()
            await process.wait()


def test_descriptors_meant_for_another_process_are_left_alone() -> None:
    assert systemd_fds({"LISTEN_PID": "7", "LISTEN_FDS": "2"}, 7) == [3, 4]
    assert systemd_fds({"LISTEN_PID": "8", "LISTEN_FDS": "2"}, 7) == []
    assert systemd_fds({}, 7) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "nothing to listen on"),
        (("--bind", "localhost"), 1, "not HOST:PORT"),
        (("--bind", "127.0.0.1:99999"), 1, "not HOST:PORT"),
        (("--fd", "0"), 1, "cannot listen"),
    ],
)
async def test_nothing_to_listen_on_is_reported(arguments: tuple[str, ...], code: int, message: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *WEB, "--socket", "/nowhere", *arguments, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, message in errors.decode()) == (code, True), errors


async def test_a_bound_address_is_served_on_ipv4_and_ipv6(tmp_path: Path) -> None:
    with listening() as probe:
        port = probe.getsockname()[1]
    path = str(tmp_path / "netd.sock")
    async with web("--socket", path, "--bind", f"127.0.0.1:{port}", "--bind", f"[::1]:{port}"):
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(requests.ConnectionError):
                    assert (await get(port, "/health")).status_code == 503
                    break
                await asyncio.sleep(0.05)
        answer = await asyncio.to_thread(requests.get, f"http://[::1]:{port}/health", timeout=20)
        assert answer.status_code == 503


async def test_memory(tmp_path: Path) -> None:
    path = tmp_path / "netd.sock"
    with listening() as sock:
        port = sock.getsockname()[1]
        async with netd(path), web("--socket", str(path), "--fd", str(sock.fileno()), fds=(sock.fileno(),)) as process:
            await until_health_is(port, 200)
            for request in ("/", "/api/status", "/api/servers", "/api/nothing", "/static/main.js"):
                await get(port, request)
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    match = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
    assert match
    assert int(match[1]) < MEMORY_LIMIT


async def test_memory_after_a_sign_in_is_bounded(tmp_path: Path) -> None:
    """What hashing takes is given back, and the libraries that tokens need are within the budget."""
    path, state_dir = tmp_path / "netd.sock", tmp_path / "state"
    state_dir.mkdir()
    with listening() as sock:
        port = sock.getsockname()[1]
        arguments = ("--socket", str(path), "--state-dir", str(state_dir), "--fd", str(sock.fileno()))
        arguments += ("--first-password-until", "inf")
        async with netd(path), web(*arguments, fds=(sock.fileno(),)) as process:
            await until_health_is(port, 200)
            body = {"password": "correct horse battery"}
            for action in ("password", "login", "login"):
                address = f"http://127.0.0.1:{port}/api/auth/{action}"
                answer = await asyncio.to_thread(requests.post, address, json=body, timeout=20)
                assert answer.status_code == 200, answer.text
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            status = f"http://127.0.0.1:{port}/api/status"
            assert (await asyncio.to_thread(requests.get, status, headers=headers, timeout=20)).status_code == 200
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    match = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
    assert match
    assert int(match[1]) < MEMORY_LIMIT_SIGNED_IN
