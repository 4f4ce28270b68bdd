"""From a configuration to the files of the programs that carry it out. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from msgspec import Struct

from app import portname
from firstboot.schema import RADIO, Config, radio_is_wan

BRIDGE = "br-lan"
ONBOARD = "wan"

# The port on the board where it is not the WAN: as 40-lan-port.network. netd puts it into the bridge.
LAN_PORT = f"""\
[Match]
Name={ONBOARD}

[Link]
RequiredForOnline=no

[Network]
KeepMaster=yes
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def wan_interface(config: Config) -> str:
    return RADIO if radio_is_wan(config) else config.network.wan or ONBOARD


def networkd(config: Config, wan_template: str) -> dict[str, str]:
    """Files for /run/systemd/network: another WAN than the on-board port, which then joins the LAN."""
    wan = wan_interface(config)
    files: dict[str, str] = {}
    if config.network.topology == "one-arm":
        # The wire is the LAN's too, so the gateway answers to its name there.
        files["15-wan.network"] = wan_template.replace("MulticastDNS=no", "MulticastDNS=yes")
    if wan != ONBOARD:
        text = files.get("15-wan.network", wan_template)
        match = portname.networkd_match(portname.parse(wan))
        files["15-wan.network"] = text.replace(f"Name={ONBOARD}", match)
        files["16-onboard-lan.network"] = LAN_PORT
    return files


class Told(Struct, frozen=True):
    """What goes into netd's settings. Links that are None: netd sees for itself what is plugged in."""

    hostname: str = "vpn-gateway"
    wan: str | None = None
    lan: tuple[str, ...] | None = None
    lan_address: str | None = None


def told(config: Config) -> Told:
    wan, topology = wan_interface(config), config.network.topology
    name, address = config.system.hostname, config.network.lan_address
    if topology == "one-arm":
        return Told(name, wan, (wan,), address)
    if topology == "auto" and wan == ONBOARD and config.wifi.access_point is None:
        return Told(name, lan_address=address)
    return Told(name, wan, (BRIDGE,), address)


def time_servers(config: Config) -> str:
    """For netd, one a line; none: those that it knows itself."""
    return "".join(f"{server}\n" for server in config.system.time_servers)


def dhcp_range(address: IPv4Interface) -> tuple[IPv4Address, IPv4Address]:
    """The larger part of the network beside the gateway's own address, both ends included."""
    low, high = address.network.network_address + 1, address.network.broadcast_address - 1
    below, above = (low, address.ip - 1), (address.ip + 1, high)
    return max(below, above, key=lambda part: int(part[1]) - int(part[0]))
