"""The part of netd's settings that ``gateway.toml`` sets, and its transfer to netd's store before netd starts."""

from __future__ import annotations

import os
import sys
from ipaddress import IPv4Interface
from pathlib import Path

import msgspec
from msgspec import Struct

from app.firstboot import programs
from app.firstboot.paths import Paths, write
from app.firstboot.programs import ProgramError
from app.firstboot.render import ONBOARD, wan_interface, wan_port
from app.firstboot.schema import Config, radio_is_wan
from app.lan import BRIDGE, dhcp_range
from app.model import LanSettings, LinkSettings, Settings
from app.wan_card import WanCard

TIMEOUT = 90.0  # seconds; it loads the store, on a slow card


class NetdSettings(Struct, frozen=True):
    """The settings that ``gateway.toml`` sets. Links that are None: netd detects what is plugged in."""

    hostname: str = LanSettings().hostname
    wan: str | None = None
    lan: tuple[str, ...] | None = None
    lan_address: str | None = None
    carrier: str | None = None  # the port under the WAN, where that is another interface
    dhcp: bool | None = None


def settings_of(config: Config) -> NetdSettings:
    return msgspec.structs.replace(_ports_of(config), dhcp=config.network.dhcp)


def _ports_of(config: Config) -> NetdSettings:
    wan, port, topology = wan_interface(config), wan_port(config), config.network.topology
    name, address = config.system.hostname, config.network.lan_address
    if topology == "one-arm":
        return NetdSettings(name, wan, (wan,), address)
    # A port with a fixed address from the provider must not become one-arm.
    may_be_one_arm = wan == ONBOARD and config.network.wan_address is None
    if topology == "auto" and may_be_one_arm and config.wifi.access_point is None:
        return NetdSettings(name, lan_address=address)
    if wan_fixed_by(config) is None:
        return NetdSettings(name, lan=(BRIDGE,), lan_address=address)
    return NetdSettings(name, wan, (BRIDGE,), address, port if wan != port else None)


def wan_fixed_by(config: Config) -> str | None:
    """The key that sets the WAN's port or its kind; None = the WAN may be chosen on the page."""
    network = config.network
    if network.wan is not None:
        return "network.wan"
    if radio_is_wan(config):
        return "wifi.wan"
    if network.topology == "one-arm":
        return "network.topology"
    for key in ("wan_address", "wan_vlan", "pppoe"):
        if getattr(network, key) is not None:
            return f"network.{key}"
    return None


def wan_card(config: Config) -> WanCard | None:
    by, links = wan_fixed_by(config), settings_of(config)
    return None if by is None else WanCard(by, links.wan, links.lan, links.carrier)


def update(paths: Paths, new: NetdSettings) -> list[str]:
    """Put ``new`` into netd's settings if it differs from what was put there last; returns the faults for the report.

    So a change in the web interface stays until the file changes. What the judge of settings refuses is tried again at
    each start: it may be at odds with a stored server, which may be gone by then.
    """
    last = paths.data / "setup" / "told"
    text = msgspec.json.encode(new)
    before = last.read_bytes() if last.exists() else msgspec.json.encode(NetdSettings())
    if text == before:
        return []
    # netd's state belongs to netd's user, who could not write a file of root's.
    command = (sys.executable, "-sP", "-m", "app", "firstboot", "settings", text.decode(), before.decode())
    try:
        programs.run(*command, timeout=TIMEOUT, user="netd", group="vpn-gateway")
    except ProgramError as error:
        if error.status != os.EX_DATAERR:
            raise
        return [f"gateway.toml: {error.stderr.splitlines()[-1]}; the gateway keeps its settings"]
    write(last, text, 0o600)
    return []


def store(state: Path, new: NetdSettings, last: NetdSettings) -> None:
    """Write ``new`` into the settings that netd keeps in ``state``: roles of the ports, name and address on the LAN.

    A WAN that was not set by gateway.toml (``last.wan``) stays until that file sets one.
    """
    from app.store import Store  # noqa: PLC0415 - the step that the start waits for must not fail for it

    def change(old: Settings) -> Settings:
        lan = msgspec.structs.replace(old.lan, hostname=new.hostname)
        if new.lan_address is not None:
            address = IPv4Interface(new.lan_address)
            start, end = dhcp_range(address)
            lan = msgspec.structs.replace(lan, address=address, dhcp_start=start, dhcp_end=end)
        if new.dhcp != last.dhcp:
            lan = msgspec.structs.replace(lan, dhcp_enabled=new.dhcp)
        links = LinkSettings(wan=new.wan, lan=new.lan, carrier=new.carrier)
        if new.wan is None and old.links.wan != last.wan:
            links = LinkSettings(wan=old.links.wan, lan=new.lan, carrier=old.links.carrier)
        return msgspec.structs.replace(old, links=links, lan=lan)

    with Store(state) as store:
        store.update_settings(change)
