"""The configurations of the board's radio, as an access point or as the WAN (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidFieldError
from app.firstboot.schema import RADIO, AccessPoint, Config, Wifi, radio_is_wan
from app.lan import BRIDGE

# Below /run. STATE is the runtime directory of the access point's unit.
ACCESS_POINT = Path("vpn-gateway-setup/access-point")  # one hostapd.conf for each plan, in order
WIFI_WAN = Path("vpn-gateway-setup/wpa_supplicant.conf")
STATE = Path("vpn-gateway-ap")

FALLBACK_CHANNEL = 6  # at 2.4 GHz, allowed for every radio in every country
MAX_CHANNEL_EVERYWHERE = 11  # the channels above it are forbidden in some countries, such as the US


@dataclass(frozen=True)
class Plan:
    """The band, channel and width of an access point."""

    band: str
    channel: int
    width: int = 20  # MHz

    def __str__(self) -> str:
        return f"{self.band.replace('GHz', ' GHz')}, channel {self.channel}, {self.width} MHz wide"


def plans(ap: AccessPoint) -> tuple[Plan, ...]:
    """The plans to try, best first: the requested one, then those that more radios and countries allow."""
    if ap.band == "5GHz":
        requested = tuple(Plan(ap.band, ap.channel, width) for width in (80, 40, 20))
        return (*requested, Plan("2.4GHz", FALLBACK_CHANNEL))
    requested = (Plan(ap.band, ap.channel),)
    return requested if ap.channel <= MAX_CHANNEL_EVERYWHERE else (*requested, Plan(ap.band, MAX_CHANNEL_EVERYWHERE))


def files(config: Config) -> dict[Path, str]:
    """The files for hostapd or wpa_supplicant, by path below /run; empty where the radio stays off."""
    wifi, topology = config.wifi, config.network.topology
    if wifi.country is None:
        return {}
    if radio_is_wan(config):
        return {WIFI_WAN: wpa_supplicant(wifi)} if wifi.networks else {}
    if wifi.access_point is None or topology not in {"auto", "access-point"}:
        return {}
    texts = hostapd(wifi.country, wifi.access_point)
    return {ACCESS_POINT / f"{number}.conf": text for number, text in enumerate(texts, 1)}


def missing(config: Config, found: bool) -> list[str]:
    """The fault of a board without a usable radio, where ``config`` needs one."""
    if found or not files(config):
        return []
    return ["wifi: this board has no radio, or none that this system has a driver and firmware for"]


def hostapd(country: str, ap: AccessPoint) -> tuple[str, ...]:
    """A hostapd.conf(5) for each of the :func:`plans`, which its first line describes. Raises InvalidFieldError."""
    if ap.passphrase is None:
        field = "wifi.access_point.passphrase"
        raise InvalidFieldError(f"{field}: needed: the LAN is never open", field=field)
    return tuple(_hostapd(country, ap, plan) for plan in plans(ap))


def _hostapd(country: str, ap: AccessPoint, plan: Plan) -> str:
    """A hostapd.conf(5) for ``plan``, with WPA2 and without protected management frames.

    Where they are offered (``ieee80211w``), the Pi's firmware answers clients so that phones and Linux do not join; for
    the same reason there is no WPA3.
    """
    assert ap.ssid is not None
    assert ap.passphrase is not None
    lines = (
        f"# {plan}",
        f"interface={RADIO}",
        f"bridge={BRIDGE}",
        "driver=nl80211",
        f"ctrl_interface=/run/{STATE}/control",
        f"country_code={country}",
        "ieee80211d=1",
        f"ssid2={ap.ssid.encode().hex()}",
        "utf8_ssid=1",
        f"hw_mode={'a' if plan.band == '5GHz' else 'g'}",
        f"channel={plan.channel}",
        *_width(plan),
        "wmm_enabled=1",
        "auth_algs=1",
        "wpa=2",
        "wpa_key_mgmt=WPA-PSK",
        "rsn_pairwise=CCMP",
        f"wpa_passphrase={ap.passphrase}",
        "",
    )
    return "\n".join(lines)


def _width(plan: Plan) -> tuple[str, ...]:
    """The lines for 802.11n and, at 5 GHz, 802.11ac. Both use 20 MHz unless configured otherwise.

    Channels 36 to 48 are one block of 80 MHz around channel 42, or two of 40 MHz with 36 and 44 as the lower channels.
    """
    if plan.band != "5GHz":
        return ("ieee80211n=1",)
    if plan.width == 20:
        return ("ieee80211n=1", "ieee80211ac=1")
    above = plan.channel in {36, 44}
    wide = (f"ht_capab=[HT40{'+' if above else '-'}][SHORT-GI-20][SHORT-GI-40]",)
    if plan.width == 80:
        wide = (*wide, "vht_capab=[SHORT-GI-80]", "vht_oper_chwidth=1", "vht_oper_centr_freq_seg0_idx=42")
    return ("ieee80211n=1", "ieee80211ac=1", *wide)


def wpa_supplicant(wifi: Wifi) -> str:
    """The wpa_supplicant.conf(5). Of the networks in range, the first in the configuration is joined."""
    head = f"country={wifi.country}\nctrl_interface=/run/wpa_supplicant\n"
    last = len(wifi.networks)
    networks: list[str] = []
    for number, wan in enumerate(wifi.networks):
        assert wan.ssid is not None
        key = "key_mgmt=NONE" if wan.passphrase is None else f'psk="{wan.passphrase}"'
        lines = [f"ssid={wan.ssid.encode().hex()}", key, f"priority={last - number}"]
        if wan.hidden:
            lines.append("scan_ssid=1")  # sends its name in probe requests, which anyone in range can read
        networks.append("network={\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
    return head + "".join(networks)
