"""From a configuration to the files of the programs that carry it out. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from msgspec import Struct

from app import portname
from firstboot import uplink
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
    """Files for /run/systemd/network: another WAN than DHCP on the on-board port, and that port where it is LAN."""
    wan, network = wan_interface(config), config.network
    text = wan_template
    if network.topology == "one-arm":
        # The wire is the LAN's too, so the gateway answers to its name there.
        text = text.replace("MulticastDNS=no", "MulticastDNS=yes")
    if network.wan_address is not None:
        text = text.replace("DHCP=ipv4", uplink.networkd_lines(network.wan_address))
    if wan != ONBOARD:
        text = text.replace(f"Name={ONBOARD}", portname.networkd_match(portname.parse(wan)))
    files = {"15-wan.network": text} if text != wan_template else {}
    if wan != ONBOARD:
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
    # A port with an address of the provider's is not one that may become one-arm.
    given = config.network.wan_address is not None
    if topology == "auto" and wan == ONBOARD and config.wifi.access_point is None and not given:
        return Told(name, lan_address=address)
    return Told(name, wan, (BRIDGE,), address)


def dhcp_range(address: IPv4Interface) -> tuple[IPv4Address, IPv4Address]:
    """The larger part of the network beside the gateway's own address, both ends included."""
    low, high = address.network.network_address + 1, address.network.broadcast_address - 1
    below, above = (low, address.ip - 1), (address.ip + 1, high)
    return max(below, above, key=lambda part: int(part[1]) - int(part[0]))
