"""The files of dnsmasq's records of known devices (:mod:`app.network.dhcp_hosts`): one file a device, in /run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from app import async_files
from app.mac_address import is_canonical
from app.model import Lease, Settings
from app.network.dhcp_dns import first_lease_time, reserved_names
from app.network.dhcp_hosts import HostRegistry, given_names, reservations


class KnownHosts:
    """The writer of the records in ``directory``; those of the previous netd are kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._updating = asyncio.Lock()
        self._registry = HostRegistry()
        self._written = _read(directory)
        self._registry.adopt(self._written.values())

    async def update(self, settings: Settings, leases: Iterable[Lease], in_use: Mapping[str, IPv4Address]) -> None:
        """Have the files follow leases and settings; ``in_use`` are addresses of devices without a lease.

        Raises OSError.
        """
        async with self._updating:
            self._registry.update(
                leases,
                given=given_names(settings.devices, reserved_names(settings.lan)),
                reserved=reserved_names(settings.lan),
                in_use=in_use,
                fixed=reservations(settings.devices, settings.lan),
                longest_first=first_lease_time(settings.lan),
                now=time.time(),
            )
            await async_files.make_directory(self.directory, 0o755)
            lines = {mac: record.line() for mac, record in self._registry.records.items()}
            for mac, line in lines.items():
                if self._written.get(mac) != line:
                    await async_files.write_atomic(self._path(mac), f"{line}\n".encode(), 0o644)
            for mac in self._written.keys() - lines.keys():
                await async_files.remove(self._path(mac))
            self._written = lines

    def forget(self, mac: str) -> None:
        """Forget a device with the next :meth:`update`."""
        self._registry.forget(mac)

    def _path(self, mac: str) -> Path:
        return self.directory / mac.replace(":", "-")


def _read(directory: Path) -> dict[str, str]:
    """The records by MAC address. At the start, so it may block."""
    found: dict[str, str] = {}
    try:
        for path in directory.iterdir():
            line = path.read_text().strip()
            if is_canonical(line.partition(",")[0]):
                found[line.partition(",")[0]] = line
    except (OSError, UnicodeDecodeError):
        return found
    return found
