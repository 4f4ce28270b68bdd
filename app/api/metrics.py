"""Metrics for Prometheus, ``GET /metrics``; docs/monitoring.md describes them.

Everything but the web process's own numbers comes from netd at each scrape. The number of series is bounded: exits,
drop reasons and routes are few, and of the devices the first ``MAX_DEVICES`` have series of their own, the rest one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from quart import Blueprint, current_app

from app.api.auth.guard import auth
from app.api.context import gateway, snapshot
from app.api.device_body import device_bodies
from app.api.events import hub
from app.api.operation import Download, operation
from app.api.request_metrics import requests_of
from app.errors import GatewayError
from app.policy_text import policy_text
from app.protocol.answers import Counters
from app.protocol.canary import CanaryCounters
from app.protocol.commands import GetCounters
from app.protocol.statistics import OTHER, Bytes
from app.protocol.status import ExitState, ExitStatus, Snapshot

blueprint = Blueprint("metrics", __name__)

MAX_DEVICES = 100
PREFIX = "vpn_gateway_"


class Devices:
    """The devices that have series of their own; a device keeps them, so that no counter ever runs backwards."""

    def __init__(self, most: int = MAX_DEVICES) -> None:
        self._most = most
        self._kept: set[str] = set()

    def split(self, devices: dict[str, Bytes]) -> dict[str, Bytes]:
        """The bytes of the devices with series of their own, and of all others as ``other``."""
        self._kept &= devices.keys()
        by_bytes = sorted(devices.keys() - {OTHER}, key=lambda mac: -devices[mac].up - devices[mac].down)
        for mac in by_bytes:
            if len(self._kept) >= self._most:
                break
            self._kept.add(mac)
        shown = {mac: devices[mac] for mac in sorted(self._kept)}
        rest = [sums for mac, sums in devices.items() if mac not in self._kept]
        return shown | {OTHER: Bytes(sum(b.up for b in rest), sum(b.down for b in rest))}


_PROCESS = CollectorRegistry()
ProcessCollector(registry=_PROCESS)
_EXTENSION = "vpn_gateway_metrics_devices"


class _Scrape(Collector):
    def __init__(self, *sources: Iterable[Metric]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            yield from source


@operation(blueprint, "GET", "/metrics", produces="text/plain; version=0.0.4; charset=utf-8")
async def metrics() -> Download:
    """Metrics in Prometheus' text format.

    While the network service is away, ``vpn_gateway_netd_up`` is 0 and its metrics are missing.
    """
    devices = current_app.extensions.setdefault(_EXTENSION, Devices())
    try:
        now = await snapshot()
        counters = await gateway().submit(GetCounters())
        shown = devices.split(counters.devices)
        from_netd = [*of_snapshot(now, time.time()), *of_counters(counters, shown), of_names(now, shown)]
        up = 1
    except GatewayError:
        from_netd, up = [], 0
    own = [
        _gauge("netd_up", "Whether the network service answers", up),
        _gauge("open", "Whether no admin password is set", not auth().credentials.closed),
        _gauge("websocket_clients", "Clients that follow the events", hub().listeners),
    ]
    scrape = _Scrape(own, from_netd, requests_of(current_app).registry.collect(), _PROCESS.collect())
    return Download(generate_latest(scrape))


# --- families (pure) -------------------------------------------------------------------------------------------------


def _gauge(name: str, text: str, value: float | None = None, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value, labels=labels or None)


def _counter(name: str, text: str, value: float | None = None, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, value=value, labels=labels or None)


def of_snapshot(snapshot: Snapshot, now: float) -> Iterator[Metric]:
    info = _gauge("info", "Version and kind of WireGuard", labels=("version", "wireguard"))
    info.add_metric((snapshot.version, snapshot.wireguard), 1)
    yield info
    yield from _of_exits(snapshot.exits, now)
    drops = _counter("dropped_packets", "Packets stopped, by reason", labels=("reason",))
    for reason, packets in sorted(snapshot.drops.items()):
        drops.add_metric((reason,), packets)
    yield drops
    attestation = snapshot.attestation
    yield _gauge("attestation_ok", "Whether the kernel's live state is what the kill switch demands", attestation.ok)
    yield _gauge("attestation_checked_timestamp_seconds", "When that was last compared", attestation.checked)
    yield _counter("attestation_repairs", "Drift found and repaired", attestation.repairs)
    yield _gauge("wan_up", "Whether the WAN has a link", snapshot.wan is not None and snapshot.wan.up)
    leases = [lease for lease in snapshot.leases if lease.expires == 0 or lease.expires > now]
    yield _gauge("dhcp_leases", "DHCP leases in force", len(leases))
    policies = _gauge("device_policies", "Devices with a policy of their own", labels=("policy",))
    kinds = [policy_text(device.policy) for device in snapshot.devices if device.own]
    for kind in sorted(set(kinds)):
        policies.add_metric((kind,), kinds.count(kind))
    yield policies
    bodies = device_bodies(snapshot)
    yield _gauge("devices", "Devices known to the gateway", len(bodies))
    yield _gauge("devices_online", "Devices that are here now", sum(body.online for body in bodies))
    yield _gauge("devices_waiting", "Devices that wait for their admission", sum(not body.admitted for body in bodies))
    yield _of_exceptions(snapshot)


def _of_exits(exits: tuple[ExitStatus, ...], now: float) -> Iterator[Metric]:
    state = _gauge("exit_state", "1 for the state that the exit is in", labels=("exit", "state"))
    server = _gauge(
        "exit_info", "The server an exit is connected or connecting to", labels=("exit", "provider", "server")
    )
    age = _gauge("exit_handshake_age_seconds", "Time since the last handshake", labels=("exit",))
    uptime = _gauge("exit_uptime_seconds", "Time connected", labels=("exit",))
    fallback = _gauge("exit_fallback", "Whether failover uses another server than was asked for", labels=("exit",))
    for one in exits:
        fallback.add_metric((one.name,), one.fallback_for is not None)
        for each in ExitState:
            state.add_metric((one.name, each.value), one.state is each)
        if one.server is not None:
            server.add_metric((one.name, one.provider or "", one.server), 1)
        if one.latest_handshake is not None:
            age.add_metric((one.name,), max(0.0, now - one.latest_handshake))
        if one.uptime is not None:
            uptime.add_metric((one.name,), one.uptime)
    yield from (state, server, age, uptime, fallback)


def _of_exceptions(snapshot: Snapshot) -> Metric:
    exceptions = _gauge("policy_exceptions", "Exceptions from the policies that are open", labels=("policy",))
    kinds = [policy_text(exception.policy) for exception in snapshot.exceptions]
    for kind in sorted(set(kinds)):
        exceptions.add_metric((kind,), kinds.count(kind))
    return exceptions


def of_counters(counters: Counters, devices: dict[str, Bytes]) -> Iterator[Metric]:
    lan = _counter("lan_bytes", "Bytes of the LAN that went through", labels=("direction",))
    _add(lan, (), counters.total)
    exits = _counter("exit_bytes", "Bytes of the exits' tunnels", labels=("exit", "direction"))
    for name, sums in sorted(counters.exits.items()):
        _add(exits, (name,), sums)
    by_device = _counter("device_bytes", "Bytes of each device that went through", labels=("mac", "direction"))
    for mac, sums in devices.items():
        _add(by_device, (mac,), sums)
    contacts = _counter("provider_contacts", "Exchanges with providers' APIs since netd's start", labels=("way",))
    for way, count in sorted(counters.contacts.items()):
        contacts.add_metric((way,), count)
    yield from (lan, exits, by_device, contacts)
    if counters.canary is not None:
        yield from _of_canary(counters.canary)
    netd = counters.netd
    yield _gauge("netd_start_time_seconds", "Start of the network service since the Unix epoch", netd.started)
    yield _counter("netd_cpu_seconds", "CPU time of the network service", netd.cpu)
    yield _gauge("netd_resident_memory_bytes", "Resident memory of the network service", netd.resident)
    yield _gauge("netd_open_fds", "Open file descriptors of the network service", netd.descriptors)


def _of_canary(canary: CanaryCounters) -> Iterator[Metric]:
    yield _counter("canary_leaked_packets", "Packets of the gateway's own probes that left in the clear", canary.leaked)
    yield _counter("canary_rounds", "Rounds of probes, each as one device of the LAN", canary.rounds)
    yield _counter("canary_probes", "Probes sent", canary.probes)
    yield _gauge("canary_last_round_timestamp_seconds", "When probes were last sent; 0 = never", canary.last_round)
    yield _gauge("canary_exits_shut", "Whether a leak has shut all exits", canary.shut)


def of_names(snapshot: Snapshot, shown: Iterable[str]) -> Metric:
    """The names of the devices, to be joined to the bytes, so that a new name begins no new counter."""
    hostnames = {lease.mac: lease.hostname for lease in snapshot.leases}
    names = {device.mac: device.name for device in snapshot.devices}
    info = _gauge("device_info", "The name of a device", labels=("mac", "name"))
    for mac in shown:
        info.add_metric((mac, names.get(mac) or hostnames.get(mac) or mac), 1)
    return info


def _add(family: CounterMetricFamily, labels: tuple[str, ...], sums: Bytes) -> None:
    family.add_metric((*labels, "up"), sums.up)
    family.add_metric((*labels, "down"), sums.down)
