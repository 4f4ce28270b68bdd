"""The dependencies of netd: its files, the kernel, and the programs around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from app.model import Lease, Settings
from app.netd.lan_services_loop import LanServiceControl
from app.netd.log_buffer import LogBuffer
from app.netd.network_parts import LinkSource, MakeKernel
from app.netd.timesync import TimeSync
from app.netd.wan_port import WanPort
from app.network.wireguard.types import WireGuardBackend
from app.providers.config import ProvidersConfig
from app.store import Store


class LeaseService(LanServiceControl, Protocol):
    """What is used of :class:`app.netd.lan_services.LanServices`."""

    @property
    def lease_path(self) -> Path: ...

    def leases(self) -> tuple[Lease, ...]: ...

    def lease_file(self) -> str: ...

    def forget_host(self, mac: str) -> None: ...

    async def update_hosts(
        self, settings: Settings, leases: Iterable[Lease], in_use: Mapping[str, IPv4Address]
    ) -> None: ...


@dataclass(frozen=True)
class Dependencies:
    """What :func:`app.netd.daemon.assemble` needs from outside. Tests replace some of it."""

    store: Store  # loaded
    state_dir: Path
    run_dir: Path
    backend: WireGuardBackend
    make_kernel: MakeKernel
    link_source: LinkSource
    services: LeaseService
    flowtable: bool
    http_ports: tuple[int, ...]
    time_sync: TimeSync
    wan_port: WanPort
    providers: ProvidersConfig
    logs: LogBuffer
    capture: Path | None = None  # the socket of the process that watches packets; None = there is none
    canary_interval: float = 0.0  # seconds between the canary's rounds; 0 = it never probes by itself
