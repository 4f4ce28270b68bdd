"""The schema of ``gateway.toml`` and of the stored configuration (pure)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from app.firstboot.uplink import Pppoe, WanAddress
from app.model import LanSettings

RADIO = "radio0"  # the board's own; the kernel gives names such as wlan0 to the first radio it finds
RADIO_NAMES = (RADIO, "wlan0")  # accepted in network.wan


class System(Struct, forbid_unknown_fields=True, frozen=True):
    hostname: str = LanSettings().hostname
    admin_password: str | None = None  # of the web interface; never stored in the clear
    ssh_key: str | None = None  # one public key; SSH is off without it
    ntp: str | tuple[str, ...] = ()  # time servers, names or addresses, instead of the image's

    @property
    def time_servers(self) -> tuple[str, ...]:
        return (self.ntp,) if isinstance(self.ntp, str) else self.ntp


class Network(Struct, forbid_unknown_fields=True, frozen=True):
    topology: Literal["auto", "wired", "access-point", "one-arm", "wifi-wan"] = "auto"
    wan: str | None = None  # another port than the one on the board, in a form of app.portname
    lan_address: str | None = None  # the gateway's own on the LAN, such as 192.168.77.1/24
    dhcp: bool | None = None  # the LAN's DHCP server; None: on, except on a wire that is the WAN's as well
    wan_address: WanAddress | None = None  # None: by DHCP
    wan_vlan: int | None = None  # the VLAN id of the provider's frames
    pppoe: Pppoe | None = None


class AccessPoint(Struct, forbid_unknown_fields=True, frozen=True):
    ssid: str | None = None
    passphrase: str | None = None
    channel: int = 6
    band: Literal["2.4GHz", "5GHz"] = "2.4GHz"


class WifiWan(Struct, forbid_unknown_fields=True, frozen=True):
    ssid: str | None = None
    passphrase: str | None = None  # None: an open network
    hidden: bool = False  # it does not broadcast its name


class Wifi(Struct, forbid_unknown_fields=True, frozen=True):
    country: str | None = None  # ISO 3166-1 alpha-2: the radio stays off without it
    access_point: AccessPoint | None = None
    wan: WifiWan | tuple[WifiWan, ...] | None = None  # one network, or several by preference

    @property
    def networks(self) -> tuple[WifiWan, ...]:
        """The networks of ``wan`` as a tuple."""
        if self.wan is None:
            return ()
        return (self.wan,) if isinstance(self.wan, WifiWan) else self.wan

    @property
    def named_networks(self) -> tuple[tuple[str, WifiWan], ...]:
        """``networks``, each with its key in ``gateway.toml``; where there are several, they are counted from 1."""
        if self.wan is None or isinstance(self.wan, WifiWan):
            return tuple(("wifi.wan", network) for network in self.networks)
        return tuple((f"wifi.wan[{number}]", network) for number, network in enumerate(self.wan, 1))


class Vpn(Struct, forbid_unknown_fields=True, frozen=True):
    provider: str | None = None
    account: dict[str, str] | None = (
        None  # the credentials that the provider requires; kept until the sign-in has succeeded
    )
    connect: str | None = None  # the server to connect to, once; netd remembers it from then on


class Config(Struct, forbid_unknown_fields=True, frozen=True):
    system: System = field(default_factory=System)
    network: Network = field(default_factory=Network)
    wifi: Wifi = field(default_factory=Wifi)
    vpn: Vpn = field(default_factory=Vpn)


def radio_is_wan(config: Config) -> bool:
    network = config.network
    if network.wan is not None:
        return network.wan in RADIO_NAMES
    return network.topology == "wifi-wan" or (network.topology == "auto" and bool(config.wifi.networks))
