"""From a configuration to the files of the programs that carry it out. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from msgspec import Struct

from firstboot.schema import AccessPoint, Config, SchemaError, WifiWan

RADIO = "wlan0"
BRIDGE = "br-lan"
ONBOARD = "wan"

LAN_PORT = f"""\
[Match]
Name={ONBOARD}

[Link]
RequiredForOnline=no

[Network]
Bridge={BRIDGE}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def wan_interface(config: Config) -> str:
    if config.network.wan is not None:
        return config.network.wan
    wifi_wan = config.network.topology == "wifi-wan" or (
        config.network.topology == "auto" and config.wifi.wan is not None
    )
    return RADIO if wifi_wan else ONBOARD


def networkd(config: Config, wan_template: str) -> dict[str, str]:
    """Files for /run/systemd/network: another WAN than the on-board port, which then joins the LAN."""
    wan = wan_interface(config)
    files: dict[str, str] = {}
    if config.network.topology == "one-arm":
        # The wire is the LAN's too, so the gateway answers to its name there.
        files["15-wan.network"] = wan_template.replace("MulticastDNS=no", "MulticastDNS=yes")
    if wan != ONBOARD:
        text = files.get("15-wan.network", wan_template)
        files["15-wan.network"] = text.replace(f"Name={ONBOARD}", f"Name={wan}")
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


def hostapd(country: str, ap: AccessPoint) -> str:
    """hostapd.conf(5). WPA2 with protected management frames where the client can: WPA3 fails on the Pi's radio."""
    if ap.passphrase is None:
        raise SchemaError("wifi.access_point.passphrase: needed: the LAN is never open")
    assert ap.ssid is not None
    five = ap.band == "5GHz"
    return "\n".join(
        (
            f"interface={RADIO}",
            f"bridge={BRIDGE}",
            "driver=nl80211",
            f"country_code={country}",
            "ieee80211d=1",
            f"ssid2={ap.ssid.encode().hex()}",
            "utf8_ssid=1",
            f"hw_mode={'a' if five else 'g'}",
            f"channel={ap.channel}",
            "ieee80211n=1",
            f"ieee80211ac={int(five)}",
            "wmm_enabled=1",
            "auth_algs=1",
            "wpa=2",
            "wpa_key_mgmt=WPA-PSK",
            "rsn_pairwise=CCMP",
            "ieee80211w=1",
            f"wpa_passphrase={ap.passphrase}",
            "",
        )
    )


def wpa_supplicant(country: str, wan: WifiWan) -> str:
    """wpa_supplicant.conf(5)."""
    assert wan.ssid is not None
    key = "key_mgmt=NONE" if wan.passphrase is None else f'psk="{wan.passphrase}"'
    network = f"network={{\n  ssid={wan.ssid.encode().hex()}\n  {key}\n}}\n"
    return f"country={country}\nctrl_interface=/run/wpa_supplicant\n{network}"
