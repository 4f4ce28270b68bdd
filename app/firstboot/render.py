"""From a configuration to the files of the programs that carry it out. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from msgspec import Struct

from app import portname
from app.firstboot import uplink
from app.firstboot.schema import RADIO, Config, radio_is_wan

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


def wan_port(config: Config) -> str:
    """The port that the WAN is, or that it runs on, in a form of app.portname."""
    return RADIO if radio_is_wan(config) else config.network.wan or ONBOARD


def wan_interface(config: Config) -> str:
    """The port, or the name of the interface on it that is the WAN."""
    network = config.network
    if network.pppoe is not None:
        return uplink.PPPOE
    return uplink.VLAN if network.wan_vlan is not None else wan_port(config)


def networkd(config: Config, wan_template: str) -> dict[str, str]:
    """Files for /run/systemd/network: another WAN than DHCP on the on-board port, and that port where it is LAN."""
    wan, port, network = wan_interface(config), wan_port(config), config.network
    text = wan_template
    if network.topology == "one-arm":
        # The wire is the LAN's too, so the gateway answers to its name there.
        text = text.replace("MulticastDNS=no", "MulticastDNS=yes")
    if network.wan_address is not None:
        text = text.replace("DHCP=ipv4", uplink.networkd_lines(network.wan_address))
    if wan != ONBOARD:
        text = text.replace(f"Name={ONBOARD}", portname.networkd_match(portname.parse(wan)))
    # pppd's interface is pppd's alone.
    files = {"15-wan.network": text} if text != wan_template and network.pppoe is None else {}
    if wan != port:
        match = portname.networkd_match(portname.parse(port))
        files["14-wan-carrier.network"] = uplink.carrier_network(match, tagged=network.wan_vlan is not None)
    if network.wan_vlan is not None:
        files["14-wan-vlan.netdev"] = uplink.vlan_netdev(network.wan_vlan)
        if network.pppoe is not None:
            files["15-wan-vlan.network"] = uplink.carrier_network(f"Name={uplink.VLAN}", tagged=False)
    if port != ONBOARD:
        files["16-onboard-lan.network"] = LAN_PORT
    return files


def wan_fixed_by(config: Config) -> str | None:
    """The key that says which port is the WAN, or what the WAN is on that port; None: it may be chosen on the page."""
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


class Card(Struct, frozen=True):
    """For netd, as long as the machine runs: the port that no one but gateway.toml changes. As ``Told`` has it."""

    by: str
    wan: str | None
    lan: tuple[str, ...] | None
    carrier: str | None


def card(config: Config) -> Card | None:
    by, links = wan_fixed_by(config), told(config)
    return None if by is None else Card(by, links.wan, links.lan, links.carrier)


class Told(Struct, frozen=True):
    """What goes into netd's settings. Links that are None: netd sees for itself what is plugged in."""

    hostname: str = "vpn-gateway"
    wan: str | None = None
    lan: tuple[str, ...] | None = None
    lan_address: str | None = None
    carrier: str | None = None  # the port under the WAN, where that is another interface


def told(config: Config) -> Told:
    wan, port, topology = wan_interface(config), wan_port(config), config.network.topology
    name, address = config.system.hostname, config.network.lan_address
    if topology == "one-arm":
        return Told(name, wan, (wan,), address)
    # A port with an address of the provider's is not one that may become one-arm.
    found_by_itself = wan == ONBOARD and config.network.wan_address is None
    if topology == "auto" and found_by_itself and config.wifi.access_point is None:
        return Told(name, lan_address=address)
    if wan_fixed_by(config) is None:
        return Told(name, lan=(BRIDGE,), lan_address=address)
    return Told(name, wan, (BRIDGE,), address, port if wan != port else None)


def time_servers(config: Config) -> str:
    """For netd, one a line; none: those that it knows itself."""
    return "".join(f"{server}\n" for server in config.system.time_servers)


def dhcp_range(address: IPv4Interface) -> tuple[IPv4Address, IPv4Address]:
    """The larger part of the network beside the gateway's own address, both ends included."""
    low, high = address.network.network_address + 1, address.network.broadcast_address - 1
    below, above = (low, address.ip - 1), (address.ip + 1, high)
    return max(below, above, key=lambda part: int(part[1]) - int(part[0]))
