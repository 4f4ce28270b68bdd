"""The step before the network: names, SSH, radio and roles of the ports, from the configuration in force."""

from __future__ import annotations

import contextlib
import socket
import sys

import msgspec

from app import atomic
from app.firstboot import (
    admin_password,
    configuration,
    faults,
    netd_settings,
    pppoe,
    programs,
    radio,
    render,
    report,
    unread_files,
)
from app.firstboot.fat import Fat
from app.firstboot.faults import Source
from app.firstboot.paths import Paths, write
from app.firstboot.programs import ProgramError
from app.firstboot.schema import Config


def run(paths: Paths) -> None:
    remove_leftovers(paths)
    auth = admin_password.auth_command(paths.web, paths.netd)
    found = admin_password.reset_password(paths, auth)
    config, more = configuration.load_config(paths, auth)
    found += more + unread_files.explain(Fat(paths.fat))
    for fault in found:
        print(fault, file=sys.stderr)
    apply(paths, config)
    faults.record(paths.run, Source.CONFIGURATION, found)
    report.write_report(paths, found)
    if refused := netd_settings.update(paths, netd_settings.settings_of(config)):
        print("\n".join(refused), file=sys.stderr)
        faults.record(paths.run, Source.CONFIGURATION, [*found, *refused])
        report.write_report(paths, [*found, *refused])


def apply(paths: Paths, config: Config) -> None:
    """Apply ``config`` to the system. Only ``run`` and ``data`` are written: the root is read-only."""
    socket.sethostname(config.system.hostname)

    network = paths.run / "systemd" / "network"
    network.mkdir(parents=True, exist_ok=True)
    for name, text in render.networkd(config, paths.wan_network.read_text()).items():
        (network / name).write_text(text)

    # Not a secret, and netd, which is not root, reads it: hence a directory that it may enter.
    time_servers = paths.run / "vpn-gateway-time" / "servers"
    time_servers.parent.mkdir(mode=0o755, exist_ok=True)
    write(time_servers, render.time_servers(config).encode(), 0o644)
    _write_wan_card(paths, config)
    _set_up_wifi(paths, config)
    _set_up_pppoe(paths, config)
    _set_up_ssh(paths, config)


def _write_wan_card(paths: Paths, config: Config) -> None:
    card = netd_settings.wan_card(config)
    if card is None:
        paths.wan_card.unlink(missing_ok=True)
        return
    paths.wan_card.parent.mkdir(mode=0o755, exist_ok=True)  # netd, which is not root, reads it
    write(paths.wan_card, msgspec.json.encode(card), 0o644)


def _set_up_wifi(paths: Paths, config: Config) -> None:
    if config.wifi.country is None:
        return
    with contextlib.suppress(ProgramError):  # the access point reports an unknown country better
        programs.run("iw", "reg", "set", config.wifi.country)
    wanted = radio.files(config)
    for name, text in wanted.items():
        write(paths.run / name, text.encode(), 0o600)
    if wanted:
        _start("vpn-gateway-wifi-wan.service" if radio.WIFI_WAN in wanted else "vpn-gateway-ap.service")


def _set_up_pppoe(paths: Paths, config: Config) -> None:
    wanted = pppoe.files(config)
    for name, text in wanted.items():
        write(paths.run / name, text.encode(), 0o600)
    if wanted:
        _start("vpn-gateway-pppoe.service")


def _set_up_ssh(paths: Paths, config: Config) -> None:
    if config.system.ssh_key is None:
        paths.authorized_keys.unlink(missing_ok=True)
        return
    write(paths.authorized_keys, config.system.ssh_key.strip().encode() + b"\n", 0o600)
    host_key = paths.data / "ssh" / "ssh_host_ed25519_key"
    if not host_key.exists():
        new = host_key.with_suffix(".new")
        new.unlink(missing_ok=True)
        programs.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(new))
        new.with_suffix(".new.pub").rename(host_key.with_suffix(".pub"))
        new.rename(host_key)  # last: if it exists, both do
        atomic.sync_directory(host_key.parent)


def _start(unit: str) -> None:
    """Queue the start of ``unit``. Waiting for it would be a deadlock: it is ordered after this unit."""
    programs.run("systemctl", "start", "--no-block", unit)


def remove_leftovers(paths: Paths) -> None:
    """Remove the temporary files of interrupted writes on the data partition; they may contain secrets."""
    for path in (paths.stored, paths.authorized_keys):
        with contextlib.suppress(OSError):  # must not fail the start
            atomic.remove_leftovers(path.parent)
