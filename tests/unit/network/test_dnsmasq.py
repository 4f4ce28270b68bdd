"""Instances of the real dnsmasq on loopback ports: started, kept, replaced and adopted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
from pathlib import Path

import dns.message
import dns.query
import pytest

from app import async_files
from app.errors import KernelError
from app.model import Lease
from app.network import dnsmasq
from app.network.dnsmasq import HandOver, ProcessRunner, SystemdRunner, read_leases
from tests.support.file_calls import blocking_file_calls


def free_port() -> int:
    """A port that is free for UDP and TCP, and below the kernel's ephemeral range."""
    while True:
        port = random.randrange(10_000, 30_000)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            contextlib.suppress(OSError),
        ):
            datagrams.bind(("127.0.0.1", port))
            stream.bind(("127.0.0.1", port))
            return port


class Instances:
    """Configurations, each with its own port, that answer a query with a text that identifies them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports: dict[str, int] = {}

    def text(self, name: str, says: str) -> str:
        port = self.ports.setdefault(name, free_port())
        return f"no-resolv\nno-hosts\nbind-interfaces\nlisten-address=127.0.0.1\nport={port}\ntxt-record=which,{says}\n"

    def says(self, name: str) -> str:
        answer = dns.query.udp(dns.message.make_query("which", "TXT"), "127.0.0.1", 2, self.ports[name])
        return answer.answer[0][0].to_text().strip('"')

    def pid(self, name: str) -> int:
        return int((self.directory / f"{name}.pid").read_text())


@pytest.fixture
async def instances(tmp_path):
    made = Instances(tmp_path / "dnsmasq")
    yield made
    await ProcessRunner(made.directory).apply({})


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""  # empty: a zombie
    except FileNotFoundError:
        return True


async def test_unchanged_instances_are_adopted_by_the_next_netd(instances):
    configs = {"lan": instances.text("lan", "one"), "exit-0": instances.text("exit-0", "two")}
    await ProcessRunner(instances.directory).apply(configs)
    pids = [instances.pid(name) for name in configs]
    assert (instances.says("lan"), instances.says("exit-0")) == ("one", "two")
    assert os.getsid(pids[0]) != os.getsid(0), "it outlives us"
    await ProcessRunner(instances.directory).apply(configs)  # another netd: it adopts them
    assert [instances.pid(name) for name in configs] == pids


async def test_apply_restarts_changed_and_stops_removed_instances(instances):
    runner = ProcessRunner(instances.directory)
    names = ("lan", "exit-0", "direct")
    await runner.apply({name: instances.text(name, "old") for name in names})
    before = {name: instances.pid(name) for name in names}
    await runner.apply({"lan": instances.text("lan", "old"), "exit-0": instances.text("exit-0", "new")})
    assert instances.pid("lan") == before["lan"]
    assert instances.says("exit-0") == "new"
    assert gone(before["exit-0"])
    assert gone(before["direct"])
    assert not (instances.directory / "direct.conf").exists()


async def test_killed_instance_is_restarted_by_the_next_apply(instances):
    runner = ProcessRunner(instances.directory)
    configs = {"lan": instances.text("lan", "here")}
    await runner.apply(configs)
    pid = instances.pid("lan")
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while not gone(pid):
            await asyncio.sleep(0.01)
    await runner.apply(configs)
    assert instances.says("lan") == "here"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_netd_killed_around_a_write_leaves_no_stale_instance(instances, monkeypatch, moment):
    """netd may die at any instant: the next one must not keep an instance with the old text."""
    await ProcessRunner(instances.directory).apply({"lan": instances.text("lan", "old")})
    new = {"lan": instances.text("lan", "new")}
    real = async_files.write_atomic

    async def cut(path: Path, data: bytes, mode: int) -> None:
        if moment == "after":
            await real(path, data, mode)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(async_files, "write_atomic", cut)
        with pytest.raises(KeyboardInterrupt):
            await ProcessRunner(instances.directory).apply(new)
    await ProcessRunner(instances.directory).apply(new)
    assert instances.says("lan") == "new"


async def test_process_with_a_reused_pid_is_not_touched(instances):
    """After a power cut the run directory may name a pid that is something else now."""
    configs = {"lan": instances.text("lan", "here")}
    instances.directory.mkdir()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            (instances.directory / "lan.conf").write_text(configs["lan"])
            (instances.directory / "lan.pid").write_text(str(bystander.pid))
            await ProcessRunner(instances.directory).apply(configs)
            assert instances.says("lan") == "here"
            await ProcessRunner(instances.directory).apply({})
            assert bystander.poll() is None
        finally:
            bystander.kill()


async def test_instance_that_does_not_start_is_named_others_run(instances):
    configs = {"exit-0": "no-such-option\n", "lan": instances.text("lan", "here")}
    with pytest.raises(KernelError, match=r"dnsmasq \(exit-0\) did not start: .*bad option"):
        await ProcessRunner(instances.directory).apply(configs)
    assert instances.says("lan") == "here"
    await ProcessRunner(instances.directory).apply({**configs, "exit-0": instances.text("exit-0", "mended")})
    assert instances.says("exit-0") == "mended"


async def test_missing_or_hanging_dnsmasq_raises_in_time(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    runner = ProcessRunner(tmp_path / "instances")
    with pytest.raises(KernelError, match="dnsmasq cannot be run: No such file or directory"):
        await runner.apply({"lan": "port=0\n"})
    (tmp_path / "dnsmasq").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "dnsmasq").chmod(0o755)
    monkeypatch.setattr(dnsmasq, "START_TIMEOUT", 0.5)
    async with asyncio.timeout(20):
        with pytest.raises(KernelError, match="dnsmasq did not finish"):
            await runner.apply({"lan": "port=0\n"})


async def test_instance_that_ignores_sigterm_is_killed(instances, monkeypatch):
    monkeypatch.setattr(dnsmasq, "STOP_TIMEOUT", 0.2)
    runner = ProcessRunner(instances.directory)
    await runner.apply({"lan": instances.text("lan", "old")})
    stuck = instances.pid("lan")
    os.kill(stuck, signal.SIGSTOP)
    try:
        await runner.apply({"lan": instances.text("lan", "new")})
        assert instances.says("lan") == "new"
        assert gone(stuck)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stuck, signal.SIGKILL)


async def test_systemd_runner_writes_only_changed_files(tmp_path):
    """A .path unit watches the directory: writing what is there already would restart DNS for nothing."""
    directory = tmp_path / "dnsmasq"
    runner = SystemdRunner(directory)
    await runner.apply({"lan": "a\n", "exit-0": "b\n", "direct": "c\n"})
    inodes = {path.name: path.stat().st_ino for path in directory.iterdir()}
    await runner.apply({"lan": "a\n", "exit-0": "new\n"})
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"lan.conf": "a\n", "exit-0.conf": "new\n"}
    assert (directory / "lan.conf").stat().st_ino == inodes["lan.conf"]
    assert (directory / "lan.conf").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kind", [ProcessRunner, SystemdRunner])
async def test_apply_makes_no_file_call_on_the_event_loop(instances, tmp_path, kind):
    runner = kind(instances.directory)
    with blocking_file_calls(tmp_path) as found:
        await runner.apply({"lan": instances.text("lan", "one"), "exit-0": instances.text("exit-0", "one")})
        await runner.apply({"lan": instances.text("lan", "two")}, HandOver("lan", tmp_path / "leases", "moved"))
    assert found == []
    assert {path.name for path in instances.directory.glob("*.conf")} == {"lan.conf"}


async def test_handed_over_file_is_written_once_before_the_start(instances, tmp_path):
    runner, leases = ProcessRunner(instances.directory), tmp_path / "leases"
    leases.write_text("dnsmasq's own")
    await runner.apply({"lan": instances.text("lan", "old")})
    await runner.apply({"lan": instances.text("lan", "new")}, HandOver("lan", leases, "moved"))
    assert instances.says("lan") == "new"
    assert leases.read_text() == "moved"
    leases.write_text("dnsmasq's own")
    await runner.apply({"lan": instances.text("lan", "newer")})
    assert leases.read_text() == "dnsmasq's own"


async def test_image_unit_gets_handed_over_leases_before_its_start(tmp_path):
    directory, script = tmp_path / "dnsmasq", Path(__file__).parents[3] / "overlay/usr/lib/vpn-gateway/dnsmasq-leases"
    leases, taken = tmp_path / "leases", tmp_path / "runtime"
    taken.mkdir()
    environment = {
        "PATH": "/usr/bin:/bin",
        "VPN_GATEWAY_DNSMASQ": str(directory),
        "VPN_GATEWAY_LEASES": str(leases),
        "RUNTIME_DIRECTORY": str(taken),
    }

    def start() -> str:
        subprocess.run([script, "lan"], env=environment, check=True, timeout=10)
        return leases.read_text()

    runner = SystemdRunner(directory)
    await runner.apply({"lan": "one\n"})
    leases.write_text("dnsmasq's own")
    assert start() == "dnsmasq's own"
    await runner.apply({"lan": "two\n"}, HandOver("lan", leases, "moved\n"))
    assert [path.name for path in sorted(directory.iterdir())] == ["lan.conf", "lan.leases"]
    assert start() == "moved\n"
    leases.write_text("dnsmasq's own")
    assert start() == "dnsmasq's own", "it is handed over once"
    await runner.apply({"lan": "three\n"}, HandOver("lan", leases, "moved again\n"))
    assert start() == "moved again\n"


def test_leases_are_read_from_dnsmasqs_file(tmp_path):
    path = tmp_path / "leases"
    path.write_text(
        "1795507032 02:00:00:00:00:12 192.168.77.229 phone 01:02:00:00:00:00:12\n"
        "0 02:00:00:00:00:AB 192.168.77.30 * *\n"
        "duid 00:01:00:01:32:97:57:18:02:00:00:00:00:01\n"
        "1795507032 1234 fd00::5 laptop 00:01:00:01\n"
        "not a lease\n\n1795507032 02:00:00:00:00:13\n"
    )
    assert read_leases(path) == (
        Lease("02:00:00:00:00:12", "192.168.77.229", "phone", 1795507032.0),
        Lease("02:00:00:00:00:ab", "192.168.77.30", None, 0.0),
    )
    assert read_leases(tmp_path / "none") == ()
