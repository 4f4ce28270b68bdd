"""The renderer of the configuration: networkd's files and the list of time servers (pure)."""

from __future__ import annotations

from app import portname
from app.firstboot import uplink
from app.firstboot.schema import RADIO, Config, radio_is_wan

ONBOARD = "wan"

# For the on-board port where it is not the WAN: as 40-lan-port.network. netd adds it to the bridge.
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
    """The WAN's port, or the port under the WAN, in a form of app.portname."""
    return RADIO if radio_is_wan(config) else config.network.wan or ONBOARD


def wan_interface(config: Config) -> str:
    """The WAN's interface: its port, or the VLAN or PPPoE interface on that port."""
    network = config.network
    if network.pppoe is not None:
        return uplink.PPPOE
    return uplink.VLAN if network.wan_vlan is not None else wan_port(config)


def networkd(config: Config, wan_template: str) -> dict[str, str]:
    """The files for /run/systemd/network, where the WAN is anything but DHCP on the on-board port.

    A WAN whose name is unknown until it appears stays down until netd takes it up (:mod:`app.netd.wan_activation`).
    """
    wan, port, network = wan_interface(config), wan_port(config), config.network
    text = wan_template
    if network.topology == "one-arm":
        # The wire is also the LAN's, so the gateway answers mDNS there.
        text = text.replace("MulticastDNS=no", "MulticastDNS=yes")
    if network.wan_address is not None:
        text = text.replace("DHCP=ipv4", uplink.networkd_lines(network.wan_address))
    if wan != ONBOARD:
        name = portname.parse(wan)
        text = text.replace(f"Name={ONBOARD}", portname.networkd_match(name))
        if not name.is_interface:
            text = text.replace("[Link]\n", "[Link]\nActivationPolicy=manual\n")
    # pppd configures its interface itself.
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
    """The time servers for netd, one per line; empty = its defaults."""
    return "".join(f"{server}\n" for server in config.system.time_servers)
