"""``python -m app netd`` starts the daemon, serves its socket, and leaves the network up when it ends.

On SIGTERM the process ends, while ruleset, routes, tunnels and dnsmasq stay; the next start adopts them. Only the
shutdown of the machine takes the network down.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import pwd
import secrets
import signal
from ipaddress import IPv6Interface
from pathlib import Path

import msgspec

from app import settled
from app.errors import InvalidFieldError
from app.ipc import Server
from app.netd.canary.canary import INTERVAL
from app.netd.daemon import assemble
from app.netd.dependencies import Dependencies
from app.netd.lan_services import LanServices
from app.netd.link_observer import LinkObserver
from app.netd.log_buffer import LogBuffer
from app.netd.timesync import Files, TimeSync
from app.netd.wan_port import WanPort
from app.network.capabilities import has_flowtable
from app.network.dnsmasq import ProcessRunner, SystemdRunner
from app.network.lan_ports import LanPorts
from app.network.one_arm import OneArm
from app.network.reconcile import Reconciler
from app.network.wireguard.choose import choose_backend
from app.providers.config import ProvidersConfig
from app.providers.config import load as load_providers
from app.sd_notify import notify, stay_alive
from app.store import Store
from app.tasks import end

log = logging.getLogger(__name__)

PROVIDERS = Path("/etc/vpn-gateway/providers.toml")
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")  # created by systemd-timesyncd(8)
NETWORKD = Path("/run/systemd/netif/state")  # what systemd-networkd has learned by DHCP


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vpn-gateway netd", description="Owns the kernel's network and the keys.")
    parser.add_argument("--state-dir", type=Path, default=Path("/var/lib/vpn-gateway"), help="settings, servers, keys")
    parser.add_argument("--run-dir", type=Path, default=Path("/run/vpn-gateway"), help="socket and run-time files")
    parser.add_argument("--web-user", default=None, help="another user that may use the socket")
    parser.add_argument("--services", choices=["process", "systemd"], default="process", help="who runs dnsmasq")
    parser.add_argument("--resolv", type=Path, default=None, help="the WAN's name servers, as resolv.conf")
    parser.add_argument("--http-port", type=int, action="append", help="a TCP port that answers on the LAN")
    parser.add_argument("--time-user", default=None, help="the time daemon's user, allowed out until the clock is set")
    parser.add_argument("--time-set", type=Path, default=SYNCHRONIZED, help="exists once the clock is set")
    parser.add_argument("--time-offered", type=Path, default=NETWORKD, help="networkd's state, with DHCP's NTP servers")
    parser.add_argument("--time-servers", type=Path, default=None, help="configured time servers, one a line")
    parser.add_argument("--wan-card", type=Path, default=None, help="exists if gateway.toml names the WAN")
    parser.add_argument("--providers", type=Path, default=PROVIDERS, help="other addresses of the providers' APIs")
    parser.add_argument("--capture", type=Path, default=None, help="the socket of the process that watches packets")
    parser.add_argument("--canary", type=float, default=INTERVAL, help="seconds between two rounds of probes; 0 = none")
    parser.add_argument("--after", type=Path, default=None, help="wait for this file; systemd may start netd earlier")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run netd until SIGTERM or SIGINT; returns the exit status."""
    options = arguments(argv)
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logs = LogBuffer()
    logging.getLogger().addHandler(logs)
    os.umask(0o077)
    options.run_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    settled.wait_for(options.after)
    asyncio.run(_run(options, logs))
    return 0


async def _run(options: argparse.Namespace, logs: LogBuffer) -> None:
    config, problems = _load_provider_config(options.providers)
    deps = await _dependencies(options, config, logs)
    stop = asyncio.Event()
    daemon = await assemble(deps, restart=stop, problems=problems)
    await daemon.start()
    uids = {os.getuid(), 0}
    if options.web_user:
        uids.add(pwd.getpwnam(options.web_user).pw_uid)
    async with daemon.running():
        server = await Server(daemon.gateway, deps.run_dir / "netd.sock", uids).start()
        log.info("ready: WireGuard is %s", deps.backend.kind)
        notify("READY=1")
        alive = asyncio.create_task(stay_alive(), name="watchdog")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        notify("STOPPING=1")
        server.close()
    await end([alive])
    await daemon.close()
    deps.store.close()


async def _dependencies(options: argparse.Namespace, config: ProvidersConfig, logs: LogBuffer) -> Dependencies:
    run_dir: Path = options.run_dir
    store = Store(options.state_dir)
    store.load()
    if store.settings.lan.ula is None:
        ula = random_ula()
        store.update_settings(lambda s: msgspec.structs.replace(s, lan=msgspec.structs.replace(s.lan, ula=ula)))
    dnsmasq_dir = run_dir / "dnsmasq"
    backend = await choose_backend()
    return Dependencies(
        store=store,
        state_dir=options.state_dir,
        run_dir=run_dir,
        backend=backend,
        make_kernel=lambda on_drift: Reconciler(backend, on_drift=on_drift),
        link_source=LinkObserver(
            resolv=options.resolv or run_dir / "wan.resolv",
            one_arm=OneArm(run_dir / "topology"),
            lan_ports=LanPorts(run_dir / "lan-ports"),
        ),
        services=LanServices(
            SystemdRunner(dnsmasq_dir) if options.services == "systemd" else ProcessRunner(dnsmasq_dir),
            options.state_dir / "dnsmasq.leases",
            dnsmasq_dir / "hosts",
        ),
        flowtable=await has_flowtable(),
        http_ports=tuple(options.http_port or (5000,)),
        time_sync=TimeSync(
            pwd.getpwnam(options.time_user).pw_uid if options.time_user else None,
            Files(
                synchronized=options.time_set,
                offered=options.time_offered,
                configured=options.time_servers or run_dir / "time-servers",
                chosen=run_dir / "ntp" / "servers",
            ),
        ),
        wan_port=WanPort(options.wan_card or run_dir / "wan-card", run_dir / "wan" / "port"),
        providers=config,
        logs=logs,
        capture=options.capture,
        canary_interval=options.canary,
    )


def random_ula() -> IPv6Interface:
    """A random unique local prefix (RFC 4193, 3.2.2), with the gateway at ::1."""
    return IPv6Interface((0xFD << 120 | secrets.randbits(40) << 80 | 1, 64))


def _load_provider_config(path: Path) -> tuple[ProvidersConfig, list[str]]:
    """The content of the file and its problems. A mistake there must not leave the LAN without DHCP and UI."""
    try:
        return load_providers(path), []
    except InvalidFieldError as error:
        log.error("%s: all providers' APIs keep their default addresses", error.message)
        return ProvidersConfig(), [error.message]
