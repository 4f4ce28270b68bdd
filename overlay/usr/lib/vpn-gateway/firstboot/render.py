"""From a configuration to the files of the programs that carry it out. Pure."""

from __future__ import annotations

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
    if wan == ONBOARD:
        return {}
    return {
        "15-wan.network": wan_template.replace(f"Name={ONBOARD}", f"Name={wan}"),
        "16-onboard-lan.network": LAN_PORT,
    }


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
