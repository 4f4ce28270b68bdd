"""wireguard-go, for kernels without WireGuard: https://www.wireguard.com/xplatform/.

Each interface has a detached process, which outlives netd and ends when its interface is deleted; a restarted netd
finds it by its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from pathlib import Path
from typing import Literal

from app.addresses import Address
from app.errors import KernelError
from app.network import rtnetlink
from app.network.links import read_links
from app.network.wireguard.interfaces import NamedInterfaces
from app.network.wireguard.types import DeviceConfig, DeviceStats
from app.network.wireguard.uapi import configuration, endpoint_change, parse_stats
from app.process import FailedError, NotFinishedError, NotStartedError, spawn

SOCKETS = Path("/var/run/wireguard")
KIND = "tun"  # of the link
START_TIMEOUT = 5.0  # seconds until a started wireguard-go must listen
STOP_TIMEOUT = 2.0  # seconds until the process of a deleted interface must have ended
CALL_TIMEOUT = 5.0
POLL_INTERVAL = 0.002
MAX_REPLY = 1 << 22  # bytes, with all allowed IPs


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        return sock.connect_ex(str(path)) in {0, errno.EAGAIN}  # EAGAIN: so busy that its queue is full


class UserspaceBackend(NamedInterfaces):
    kind: Literal["kernel", "userspace"] = "userspace"

    async def create(self, name: str) -> None:
        if name in {name for _, name in socket.if_nameindex()} and await self._is_working(name):
            return  # perhaps an earlier netd's
        await self._wait_for_exit(name)
        await self._start(name)

    async def _is_working(self, name: str) -> bool:
        """Whether the interface is a working tunnel; anything else with its name is removed."""
        link = read_links().get(name)
        if link is None:
            return False
        if link.kind == KIND and await self._answers(name):
            return True
        rtnetlink.delete_link(link.index)  # not a tunnel, or its process hangs
        return False

    async def _wait_for_exit(self, name: str) -> None:
        """Wait for the end of a deleted interface's process: it removes the socket, and must not remove a new one."""
        path = SOCKETS / f"{name}.sock"
        deadline = time.monotonic() + STOP_TIMEOUT
        while _listens(path) and time.monotonic() < deadline:  # noqa: ASYNC110 - there is no event for its end
            await asyncio.sleep(POLL_INTERVAL)
        path.unlink(missing_ok=True)  # its process was killed, or hangs and ends once the socket is gone

    async def _start(self, name: str) -> None:
        # Without a log level it writes nothing in the background, where it goes once its socket listens.
        try:
            await spawn("wireguard-go", name, timeout=START_TIMEOUT)
        except NotStartedError as error:
            if error.missing:
                raise KernelError("this kernel has no WireGuard and wireguard-go is not installed") from None
            raise
        except NotFinishedError:
            raise KernelError(f"wireguard-go did not start for {name}") from None
        except FailedError as error:
            reason = error.stderr.splitlines()[-1][:200] if error.stderr else error.status
            raise KernelError(f"wireguard-go could not create {name}: {reason}") from None
        # The process in the background takes the interface over and sets its MTU again, before it answers.
        if not await self._answers(name):
            raise KernelError(f"wireguard-go did not start for {name}")

    async def configure(self, name: str, device: DeviceConfig) -> None:
        stats = await self.stats(name) if device.listen_port else None
        await self._set(name, configuration(device, stats.listen_port if stats else 0))

    async def set_endpoint(self, name: str, public_key: str, address: Address, port: int) -> None:
        await self._set(name, endpoint_change(public_key, (address, port)))

    async def stats(self, name: str) -> DeviceStats | None:
        reply = await self._call(name, "get=1\n\n")
        return parse_stats(reply) if reply is not None else None

    async def _answers(self, name: str) -> bool:
        return await self._call(name, "get=1\n\n") is not None

    async def _set(self, name: str, request: str) -> None:
        reply = await self._call(name, request)
        if reply is None:
            raise KernelError(f"the interface {name} is gone")
        status = next((line[6:] for line in reply.splitlines() if line.startswith("errno=")), "?")
        if status != "0":
            code = int(status) if status.lstrip("-").isdigit() else 0
            raise KernelError(f"wireguard-go refused the configuration of {name}: {errno.errorcode.get(-code, status)}")

    async def _call(self, name: str, request: str) -> str | None:
        """The answer to one request on the interface's socket; None where no process listens."""
        try:
            reader, writer = await asyncio.open_unix_connection(SOCKETS / f"{name}.sock", limit=MAX_REPLY)
        except OSError:
            return None
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                writer.write(request.encode())
                await writer.drain()
                return (await reader.readuntil(b"\n\n")).decode()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
