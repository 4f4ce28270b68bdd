"""wireguard-go, for kernels without WireGuard: https://www.wireguard.com/xplatform/.

One detached process an interface. It outlives netd and goes when its interface is deleted; a restarted netd finds it
again by its socket.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import os
import socket
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pyroute2.netlink.exceptions import NetlinkError

from app.addresses import Address
from app.errors import KernelError
from app.network.links import read_links
from app.network.netlink import open_netlink
from app.network.wireguard.types import OURS, DeviceConfig, DeviceStats, PeerConfig, PeerStats

SOCKETS = Path("/var/run/wireguard")
KIND = "tun"  # of the link
START_TIMEOUT = 5.0  # seconds until a started wireguard-go must listen
STOP_TIMEOUT = 2.0  # seconds until the one of a deleted interface must have ended
CALL_TIMEOUT = 5.0
POLL = 0.002
LONGEST_REPLY = 1 << 22  # bytes; the allowed IPs are in it


def _hex(key: str) -> str:
    return base64.b64decode(key).hex()


def _base64(key: str) -> str:
    return base64.b64encode(bytes.fromhex(key)).decode()


def _endpoint(endpoint: tuple[Address, int]) -> str:
    address, port = endpoint
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def configuration(device: DeviceConfig) -> str:
    """The ``set`` operation that makes an interface be ``device`` and nothing else (pure). It holds the private key."""
    lines = ["set=1", f"private_key={_hex(device.private_key.reveal())}", f"fwmark={device.fwmark}"]
    lines += [f"listen_port={device.listen_port or 0}", "replace_peers=true"]
    for peer in device.peers:
        lines += _peer(peer)
    return "\n".join(lines) + "\n\n"


def _peer(peer: PeerConfig) -> list[str]:
    lines = [f"public_key={_hex(peer.public_key)}"]
    if peer.preshared_key is not None:
        lines.append(f"preshared_key={_hex(peer.preshared_key.reveal())}")
    if peer.endpoint is not None:
        lines.append(f"endpoint={_endpoint(peer.endpoint)}")
    lines.append("replace_allowed_ips=true")
    lines += [f"allowed_ip={network}" for network in peer.allowed_ips]
    lines.append(f"persistent_keepalive_interval={peer.persistent_keepalive}")
    return lines


def parse_stats(reply: str) -> DeviceStats:
    """The answer to ``get=1``; the private key in it is passed over (pure). Raises ValueError."""
    fwmark = port = 0
    peers: list[PeerStats] = []
    current: dict[str, str] = {}

    def finish() -> None:
        if current:
            seconds = int(current.get("last_handshake_time_sec", "0"))
            nanoseconds = int(current.get("last_handshake_time_nsec", "0"))
            host, _, peer_port = current.get("endpoint", "").rpartition(":")
            peers.append(
                PeerStats(
                    public_key=_base64(current["public_key"]),
                    endpoint=(ip_address(host.strip("[]")), int(peer_port)) if host else None,
                    latest_handshake=seconds + nanoseconds / 1e9 if seconds or nanoseconds else None,
                    rx_bytes=int(current.get("rx_bytes", "0")),
                    tx_bytes=int(current.get("tx_bytes", "0")),
                )
            )

    for line in reply.splitlines():
        key, _, value = line.partition("=")
        if key == "public_key":
            finish()
            current = {key: value}
        elif current:
            current[key] = value
        elif key == "fwmark":
            fwmark = int(value)
        elif key == "listen_port":
            port = int(value)
    finish()
    return DeviceStats(fwmark, port, tuple(peers))


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        return sock.connect_ex(str(path)) in {0, errno.EAGAIN}  # EAGAIN: so busy that its queue is full


class UserspaceBackend:
    kind: Literal["kernel", "userspace"] = "userspace"

    async def create(self, name: str) -> None:
        if name in {name for _, name in socket.if_nameindex()} and await self._taken(name):
            return  # of an earlier netd, perhaps
        await self._released(name)
        await self._start(name)

    async def _taken(self, name: str) -> bool:
        """Whether a tunnel that works has the name; whatever else has it is removed."""
        async with open_netlink() as ip:
            link = (await read_links(ip)).get(name)
            if link is None:
                return False
            if link.kind == KIND and await self._answers(name):
                return True
            await ip.link("del", index=link.index)  # not a tunnel, or one whose process hangs: carries nothing
            return False

    async def _released(self, name: str) -> None:
        """Wait for the end of a deleted interface's process: it removes the socket, and must not remove the next."""
        path = SOCKETS / f"{name}.sock"
        deadline = time.monotonic() + STOP_TIMEOUT
        while _listens(path) and time.monotonic() < deadline:  # noqa: ASYNC110 - of its end there is no event for us
            await asyncio.sleep(POLL)
        path.unlink(missing_ok=True)  # its process was killed, or hangs; it ends when it misses the socket

    async def _start(self, name: str) -> None:
        # Without a log level the process in the background writes nowhere, and standard error ends with its parent.
        try:
            process = await asyncio.create_subprocess_exec(
                "wireguard-go",
                name,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                cwd="/",
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            )
        except FileNotFoundError:
            raise KernelError("this kernel has no WireGuard and wireguard-go is not installed") from None
        # It goes into the background once its socket listens, so its end is the event to wait for.
        try:
            async with asyncio.timeout(START_TIMEOUT):
                _, problem = await process.communicate()
        except TimeoutError:
            raise KernelError(f"wireguard-go did not start for {name}") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            said = problem.decode(errors="replace").strip().splitlines()
            raise KernelError(f"wireguard-go could not make {name}: {said[-1][:200] if said else process.returncode}")

    async def configure(self, name: str, device: DeviceConfig) -> None:
        await self._set(name, configuration(device))

    async def set_endpoint(self, name: str, public_key: str, address: Address, port: int) -> None:
        lines = [
            "set=1",
            f"public_key={_hex(public_key)}",
            "update_only=true",
            f"endpoint={_endpoint((address, port))}",
        ]
        await self._set(name, "\n".join(lines) + "\n\n")

    async def stats(self, name: str) -> DeviceStats | None:
        reply = await self._call(name, "get=1\n\n")
        return parse_stats(reply) if reply is not None else None

    async def remove(self, name: str) -> None:
        async with open_netlink() as ip:
            for index in await ip.link_lookup(ifname=name):
                try:
                    await ip.link("del", index=index)
                except NetlinkError as error:
                    if error.code != errno.ENODEV:
                        raise KernelError(f"the kernel cannot remove {name}: {error.args[1]}") from None

    async def names(self) -> set[str]:
        async with open_netlink() as ip:
            return {name for name in await read_links(ip) if OURS.fullmatch(name)}

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
        """One request on the interface's socket; None where nobody listens."""
        try:
            reader, writer = await asyncio.open_unix_connection(SOCKETS / f"{name}.sock", limit=LONGEST_REPLY)
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
