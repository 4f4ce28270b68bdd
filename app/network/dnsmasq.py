"""The runner of dnsmasq's instances, which outlive netd and are restarted only when their configuration changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Protocol

import aiofiles
import aiofiles.os
from msgspec import Struct

from app import async_files
from app.errors import KernelError
from app.model import Lease
from app.process import FailedError, spawn

START_TIMEOUT = 30.0  # seconds until it must listen and go into the background
STOP_TIMEOUT = 3.0  # seconds


class HandOver(Struct, frozen=True):
    """The content to write to the file ``path`` once, before ``instance`` starts the next time."""

    instance: str
    path: Path
    text: str


class ServiceRunner(Protocol):
    """A runner keeps the instances of ``configs`` (name -> text) running and no others. Raises KernelError."""

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None: ...

    def present(self, name: str) -> str:
        """The instance's present configuration; empty where there is none."""
        ...


class SystemdRunner:
    """The image's runner: netd writes the files, and a .path unit (re)starts the instance whose file changed.

    So netd needs no privilege to signal another user's process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def present(self, name: str) -> str:
        return _present(self._directory, name)

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None:
        await async_files.make_directory(self._directory, 0o755)
        if hand_over is not None:
            # Before the configuration, whose change restarts the instance; its unit moves this file into place.
            await _write(self._directory / f"{hand_over.instance}.leases", hand_over.text)
        for name, text in configs.items():
            path = self._directory / f"{name}.conf"
            if not await _matches(path, text):
                await _write(path, text)
        for name in await _instances(self._directory) - configs.keys():
            await async_files.remove(self._directory / f"{name}.conf")


class ProcessRunner:
    """The runner without systemd: detached processes, which the next netd finds by their pid files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()  # dnsmasq is started in the root directory

    def present(self, name: str) -> str:
        return _present(self._directory, name)

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None:
        await async_files.make_directory(self._directory, 0o755)
        for name in await _instances(self._directory) - configs.keys():
            await self._stop(name)
            await async_files.remove(self._directory / f"{name}.conf")
        problems: list[str] = []
        for name, text in configs.items():
            path = self._directory / f"{name}.conf"
            try:
                if not await _matches(path, text):
                    # Stopped before the file changes: if netd dies in between, the next one finds nothing running and
                    # starts it; an instance with the old text would look up to date.
                    await self._stop(name)
                    if hand_over is not None and hand_over.instance == name:
                        async with aiofiles.open(hand_over.path, "w") as file:  # in place: dnsmasq's user still owns it
                            await file.write(hand_over.text)
                    await _write(path, text)
                if await self._pid(name) is None:
                    await self._start(name)
            except KernelError as error:  # the other instances are still needed
                problems.append(error.message)
        if problems:
            raise KernelError("; ".join(problems))

    async def _pid(self, name: str) -> int | None:
        """The instance's process, if it is alive and still the one that the pid file names."""
        config = self._directory / f"{name}.conf"
        try:
            pid = int(await async_files.read_text(self._directory / f"{name}.pid"))
            command = _command(pid)
        except (OSError, ValueError):
            return None
        return pid if f"--conf-file={config}".encode() in command else None

    async def _start(self, name: str) -> None:
        config, pid_file = self._directory / f"{name}.conf", self._directory / f"{name}.pid"
        command = (
            "dnsmasq",
            f"--conf-file={config}",
            f"--pid-file={pid_file}",
            "--user=root",  # the lab has no user for dnsmasq; the image's unit has
            "--group=root",
        )
        try:
            await spawn(*command, timeout=START_TIMEOUT, log=self._directory / f"{name}.log")
        except FailedError as error:
            raise KernelError(f"dnsmasq ({name}) did not start: {error.stderr[:500]}") from None

    async def _stop(self, name: str) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            pid = await self._pid(name)
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                async with _ended(pid) as ended, asyncio.timeout(STOP_TIMEOUT):
                    os.kill(pid, number)
                    await ended.wait()
        if await self._pid(name) is not None:
            raise KernelError(f"dnsmasq ({name}) does not stop")


@contextlib.asynccontextmanager
async def _ended(pid: int) -> AsyncGenerator[asyncio.Event]:
    """An event that is set once the process has ended and all its sockets are closed. Raises ProcessLookupError.

    Its command line is gone before its sockets are: a successor would find its ports in use.
    """
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)  # works for a process that is not our child
    loop.add_reader(descriptor, ended.set)
    try:
        yield ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _command(pid: int) -> list[bytes]:
    """The command line of a process; ``/proc`` is memory. Raises OSError."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _present(directory: Path, name: str) -> str:
    try:
        return (directory / f"{name}.conf").read_text()
    except (OSError, UnicodeDecodeError):
        return ""


async def _instances(directory: Path) -> set[str]:
    """The names of the instances that have a configuration."""
    return {path.stem for path in map(Path, await aiofiles.os.listdir(directory)) if path.suffix == ".conf"}


async def _matches(path: Path, text: str) -> bool:
    try:
        return await async_files.read_text(path) == text
    except OSError:
        return False


async def _write(path: Path, text: str) -> None:
    await async_files.write_atomic(path, text.encode(), 0o644)  # not secret; dnsmasq runs as another user


def read_leases(path: Path) -> tuple[Lease, ...]:
    """The leases in dnsmasq's file, ``expiry mac address name client-id`` a line; DHCPv6 and broken ones left out."""
    leases: list[Lease] = []
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    for line in lines:
        fields = line.split()
        if len(fields) >= 4 and fields[0].isdigit() and fields[1].count(":") == 5:
            name = None if fields[3] == "*" else fields[3]
            leases.append(Lease(fields[1].lower(), fields[2], name, float(fields[0])))
    return tuple(leases)
