"""The configuration as networkd's files, and as the list of time servers (pure)."""

from __future__ import annotations

from app import portname
from app.firstboot import uplink
from app.firstboot.schema import RADIO, Config, radio_is_wan

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


def time_servers(config: Config) -> str:
    """For netd, one a line; none: those that it knows itself."""
    return "".join(f"{server}\n" for server in config.system.time_servers)
