"""The time servers that the time daemon may ask in the clear, until the first synchronisation.

Servers offered by the WAN's DHCP server come first, because some networks block all others; then those of
``gateway.toml``, or else the image's. The time daemon receives addresses only: it would look up a name through the
tunnel, which may need the correct time first. Names are looked up here, as VPN servers' names are. Once the clock is
set, the list is closed for good, and the time comes through the tunnel.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from msgspec import Struct

from app import async_files
from app.addresses import Address, is_routable
from app.errors import KernelError
from app.netd.openings import Opening
from app.protocol.events import EventSink, SecurityAlert
from app.tunnel.resolve import LookupFailedError, literal

log = logging.getLogger(__name__)

# Cloudflare's and Google's, as in timesyncd.conf.d/vpn-gateway.conf, which timesyncd uses until netd writes a list.
DEFAULT_SERVERS = tuple(ip_address(a) for a in ("162.159.200.1", "216.239.35.0", "162.159.200.123", "216.239.35.4"))
POLL_INTERVAL = 0.5  # seconds between reads of the files
MAX_OPEN = 60.0  # seconds that time servers stay open after the files were last read
MIN_RETRY_DELAY, MAX_RETRY_DELAY = 2.0, 60.0  # seconds until a failed look-up is repeated; doubled each time
MAX_OFFERED = 4  # servers; DHCP may name hundreds
MAX_PER_NAME = 4  # addresses of one configured name

Lookup = Callable[[str], Awaitable[list[Address]]]


class Files(Struct, frozen=True):
    """The files read and written; each may be missing."""

    synchronized: Path  # exists once the clock has been set
    offered: Path  # systemd-networkd's state, with a line ``NTP=``
    configured: Path  # the names and addresses of gateway.toml, one a line
    chosen: Path  # written for the time daemon: the addresses in order


class TimeSync:
    """The list of time servers; ``uid`` is the time daemon's user, or None if it is never allowed out."""

    def __init__(self, uid: int | None, files: Files) -> None:
        self.uid = uid
        self._files = files
        self._found: dict[str, tuple[Address, ...]] = {}
        # Closed for good: a restarted time daemon forgets that it has set the clock.
        self._closed = uid is None or files.synchronized.exists()
        self._servers: tuple[Address, ...] = ()
        self._deadline = time.monotonic() + MAX_OPEN
        if not self._closed:
            self._servers = self._choose(_read_blocking(files.offered), _read_blocking(files.configured).split())

    @property
    def access(self) -> tuple[int, tuple[Address, ...]] | None:
        """The uid and the servers on the cleartext allowlist; None once the clock has been set."""
        return None if self._closed or self.uid is None else (self.uid, self._servers)

    def opening(self) -> tuple[Opening, float] | None:
        """What :attr:`access` opens, and until when: :meth:`watch` moves that forward."""
        access = self.access
        return None if access is None else (Opening("time", time_servers=access[1]), self._deadline)

    async def watch(self, replan: Callable[[], Awaitable[None]], publish: EventSink) -> None:
        """Run until cancelled: the plan follows the list, which closes when the clock is set."""
        planned = self.access
        reported = False
        while True:
            await self._read_files()
            self._deadline = time.monotonic() + MAX_OPEN
            await self._write_chosen()
            if self.access != planned:
                wanted = self.access
                try:
                    await replan()
                    planned, reported = wanted, False
                except KernelError as error:  # retried at the next turn; reported once
                    if not reported:
                        log.error("the access to time servers could not be changed: %s", error.message)
                        publish(SecurityAlert("plan_failed", error.message))
                    reported = True
            if self._closed and planned is None:
                await asyncio.Event().wait()
            await asyncio.sleep(POLL_INTERVAL)

    async def resolve(self, lookup: Lookup) -> None:
        """Run until cancelled: look up the names of gateway.toml while the clock is not set."""
        pause = MIN_RETRY_DELAY
        while not self._closed:
            missing = [n for n in await self._configured() if literal(n) is None and n not in self._found]
            pause = min(2 * pause, MAX_RETRY_DELAY) if missing else MIN_RETRY_DELAY
            for name in missing:
                try:
                    found = await lookup(name)
                except (LookupFailedError, KernelError) as error:
                    log.warning("the time server %s: %s", name, error)
                    continue
                if found:
                    self._found[name] = tuple(found[:MAX_PER_NAME])
            await asyncio.sleep(pause)
        await asyncio.Event().wait()

    async def _read_files(self) -> None:
        if self._closed:
            return
        if await async_files.exists(self._files.synchronized):
            log.info("the clock is set: time servers are no longer allowed in the clear")
            self._closed = True
        else:
            self._servers = self._choose(await _read(self._files.offered), await self._configured())

    def _choose(self, networkd: str, configured: Sequence[str]) -> tuple[Address, ...]:
        chosen = list(offered_servers(networkd)[:MAX_OFFERED])
        for name in configured:
            address = literal(name)
            chosen += self._found.get(name, ()) if address is None else (address,)
        return tuple(dict.fromkeys(chosen if configured else (*chosen, *DEFAULT_SERVERS)))

    async def _configured(self) -> list[str]:
        return (await _read(self._files.configured)).split()

    async def _write_chosen(self) -> None:
        text = " ".join(map(str, self._servers)) + "\n"
        if self._closed or not self._servers or await _read(self._files.chosen) == text:
            return
        try:
            await async_files.make_directory(self._files.chosen.parent, 0o755)
            await async_files.write_atomic(self._files.chosen, text.encode())
        except OSError as error:
            log.warning("the servers could not be written for the time daemon: %s", error)


def offered_servers(state: str) -> tuple[Address, ...]:
    """The addresses of the line ``NTP=`` in networkd's state; names are ignored (pure)."""
    values = [line.removeprefix("NTP=") for line in state.splitlines() if line.startswith("NTP=")]
    return tuple(dict.fromkeys(_usable_addresses(word for value in values for word in value.split())))


def _usable_addresses(words: Iterable[str]) -> Iterator[Address]:
    for word in words:
        address = literal(word)
        if address is not None and is_routable(address):
            yield address


async def _read(path: Path) -> str:
    try:
        return await async_files.read_text(path)
    except OSError:
        return ""


def _read_blocking(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
