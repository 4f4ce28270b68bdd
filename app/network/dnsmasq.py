"""Running dnsmasq: instances that outlive netd, restarted only when their configuration changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from app.atomic import write_atomic
from app.errors import KernelError
from app.model import Lease
from app.process import FailedError, spawn

START_TIMEOUT = 30.0  # seconds until it must listen and go into the background
STOP_TIMEOUT = 3.0  # seconds
POLL = 0.01


class HandOver(Struct, frozen=True):
    """What the file ``path`` of an instance is to hold when it starts the next time. Once: after that it is its own."""

    instance: str
    path: Path
    text: str


class ServiceRunner(Protocol):
    """Keeps the instances of ``configs`` (name -> text) running and no others. Raises KernelError."""

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None: ...

    def present(self, name: str) -> str:
        """The configuration that the instance has; empty where there is none."""
        ...


class SystemdRunner:
    """On the image: netd writes the files, and a .path unit (re)starts the instance whose file changed.

    netd has no privilege to signal another user's process, and needs none this way.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def present(self, name: str) -> str:
        return _present(self._directory, name)

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None:
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        if hand_over is not None:
            # Before the configuration, whose change starts the instance anew; its unit puts this in its place.
            _write(self._directory / f"{hand_over.instance}.leases", hand_over.text)
        for name, text in configs.items():
            path = self._directory / f"{name}.conf"
            if not _holds(path, text):
                _write(path, text)
        for path in self._directory.glob("*.conf"):
            if path.stem not in configs:
                path.unlink()


class ProcessRunner:
    """Where there is no systemd: detached processes of our own, found again by their pid files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()  # dnsmasq is started in the root directory

    def present(self, name: str) -> str:
        return _present(self._directory, name)

    async def apply(self, configs: Mapping[str, str], hand_over: HandOver | None = None) -> None:
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in self._directory.glob("*.conf"):
            if path.stem not in configs:
                await self._stop(path.stem)
                path.unlink()
        problems: list[str] = []
        for name, text in configs.items():
            path = self._directory / f"{name}.conf"
            try:
                if not _holds(path, text):
                    # Stopped before the file changes: if we are cut off between, the next netd finds nothing running
                    # and starts it, and never takes one with the old text for up to date.
                    await self._stop(name)
                    if hand_over is not None and hand_over.instance == name:
                        hand_over.path.write_text(hand_over.text)  # in its place: the file is dnsmasq's own
                    _write(path, text)
                if self._pid(name) is None:
                    await self._start(name)
            except KernelError as error:  # the others are wanted all the same
                problems.append(error.message)
        if problems:
            raise KernelError("; ".join(problems))

    def _pid(self, name: str) -> int | None:
        """The instance's process, if it lives and is what its pid file says."""
        config = self._directory / f"{name}.conf"
        try:
            pid = int((self._directory / f"{name}.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"--conf-file={config}".encode() in command else None

    async def _start(self, name: str) -> None:
        config, pid_file = self._directory / f"{name}.conf", self._directory / f"{name}.pid"
        command = (
            "dnsmasq",
            f"--conf-file={config}",
            f"--pid-file={pid_file}",
            "--user=root",  # the lab has no user of its own for it; the image's unit has
            "--group=root",
        )
        try:
            await spawn(*command, timeout=START_TIMEOUT, log=self._directory / f"{name}.log")
        except FailedError as error:
            raise KernelError(f"dnsmasq ({name}) did not start: {error.stderr[:500]}") from None

    async def _stop(self, name: str) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            pid = self._pid(name)
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    while self._pid(name) == pid:  # noqa: ASYNC110 - not our child, so there is nothing to wait on
                        await asyncio.sleep(POLL)
        if self._pid(name) is not None:
            raise KernelError(f"dnsmasq ({name}) does not end")


def _present(directory: Path, name: str) -> str:
    try:
        return (directory / f"{name}.conf").read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, text: str) -> None:
    write_atomic(path, text.encode())
    path.chmod(0o644)  # dnsmasq has a user of its own; there is nothing secret in it


def read_leases(path: Path) -> tuple[Lease, ...]:
    """The leases in dnsmasq's file: ``expiry mac address name client-id`` a line; DHCPv6 and broken ones left out."""
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
