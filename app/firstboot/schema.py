"""``gateway.toml``: its shape and its checks. No I/O."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Interface, IPv4Network, NetmaskValueError, ip_address
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct, field

from app import encoding, portname
from app.encoding import Decoded, NotTextError
from app.errors import InvalidFieldError
from app.firstboot import uplink
from app.firstboot.uplink import Pppoe, WanAddress
from app.lan import HOST_LABEL, check_address

RADIO = "radio0"  # the board's own. Names such as wlan0 the kernel gives to whatever radio it finds first
RADIO_NAMES = (RADIO, "wlan0")  # what people call it in network.wan
SSH_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/=]{60,}( [^\n]*)?"
)
COUNTRY = re.compile(r"[A-Z]{2}")
NTP_MOST = 8
LAN = IPv4Network("192.168.77.0/24")  # where lan_address says nothing else
PASSWORD_SHORTEST, PASSWORD_LONGEST = 10, 1024  # characters, as the web interface asks for


class SchemaError(Exception):
    """One line a fault, each naming its key."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class System(Struct, forbid_unknown_fields=True, frozen=True):
    hostname: str = "vpn-gateway"
    admin_password: str | None = None  # of the web interface; never stored as it is
    ssh_key: str | None = None  # one public key; SSH is off without it
    ntp: str | tuple[str, ...] = ()  # time servers, names or addresses, instead of the image's

    @property
    def time_servers(self) -> tuple[str, ...]:
        return (self.ntp,) if isinstance(self.ntp, str) else self.ntp


class Network(Struct, forbid_unknown_fields=True, frozen=True):
    topology: Literal["auto", "wired", "access-point", "one-arm", "wifi-wan"] = "auto"
    wan: str | None = None  # another port than the one on the board, in a form of app.portname
    lan_address: str | None = None  # the gateway's own on the LAN, such as 192.168.77.1/24
    wan_address: WanAddress | None = None  # None: by DHCP
    wan_vlan: int | None = None  # the number that the provider's frames are tagged with
    pppoe: Pppoe | None = None


class AccessPoint(Struct, forbid_unknown_fields=True, frozen=True):
    ssid: str | None = None
    passphrase: str | None = None
    channel: int = 6
    band: Literal["2.4GHz", "5GHz"] = "2.4GHz"


class WifiWan(Struct, forbid_unknown_fields=True, frozen=True):
    ssid: str | None = None
    passphrase: str | None = None  # None: an open network
    hidden: bool = False  # it does not tell its name by itself


_Network = TypeVar("_Network", AccessPoint, WifiWan)


class Wifi(Struct, forbid_unknown_fields=True, frozen=True):
    country: str | None = None  # ISO 3166-1 alpha-2: the radio stays off without it
    access_point: AccessPoint | None = None
    wan: WifiWan | tuple[WifiWan, ...] | None = None  # one network, or several, the most wanted first

    @property
    def networks(self) -> tuple[WifiWan, ...]:
        """The networks of ``wan``, however many."""
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
    account: dict[str, str] | None = None  # what the provider's form asks for; kept until the sign-in has succeeded
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


def decode(data: bytes) -> Decoded:
    """``data`` as text with Unix' line ends. Raises SchemaError."""
    try:
        text, guessed = encoding.decode(data)
    except NotTextError as error:
        raise SchemaError(str(error)) from None
    return Decoded(text.replace("\r\n", "\n"), guessed)


def parse(text: str) -> Config:
    """Raises SchemaError with every fault that can be told apart; no fault holds a value, which could be a secret."""
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"not TOML: {error}") from None
    except RecursionError:
        raise SchemaError("not TOML: nested too deep") from None
    except msgspec.ValidationError as error:
        raise SchemaError(_readable(str(error))) from None
    faults = list(_faults(config))
    if faults:
        raise SchemaError(*faults)
    return config


def _readable(message: str) -> str:
    """Msgspec's "... - at `$.wifi.country`" with the key first. It counts from 0; people, and we, from 1."""
    reason, _, path = message.partition(" - at ")
    path = re.sub(r"\[(\d+)\]", lambda index: f"[{int(index[1]) + 1}]", path)
    return f"{path.strip('`').removeprefix('$.')}: {reason}" if path else reason


def _faults(config: Config) -> Iterator[str]:
    yield from _system_faults(config.system)
    yield from _network_faults(config)
    yield from _wifi_faults(config.wifi)
    yield from _unused_wifi(config)
    yield from _vpn_faults(config.vpn)


def _system_faults(system: System) -> Iterator[str]:
    if not HOST_LABEL.fullmatch(system.hostname):
        yield "system.hostname: letters a-z, digits and hyphens, at most 63 (RFC 1123)"
    if system.admin_password is not None and not (
        PASSWORD_SHORTEST <= len(system.admin_password) <= PASSWORD_LONGEST and "\n" not in system.admin_password
    ):
        yield f"system.admin_password: {PASSWORD_SHORTEST} to {PASSWORD_LONGEST} characters on one line"
    if system.ssh_key is not None and not SSH_KEY.fullmatch(system.ssh_key.strip()):
        yield "system.ssh_key: one OpenSSH public key, such as the line in id_ed25519.pub"
    if len(system.time_servers) > NTP_MOST:
        yield f"system.ntp: at most {NTP_MOST} servers"
    for server in system.time_servers:
        if (reason := _ntp_fault(server)) is not None:
            yield f"system.ntp: {server[:80]!r} {reason}"


def _ntp_fault(server: str) -> str | None:
    try:
        address = ip_address(server)
    except ValueError:
        labels = server.lower().removesuffix(".").split(".")
        # A last label of digits makes it a mistaken address (RFC 3696, 2).
        named = len(server) <= 253 and all(map(HOST_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
        return None if named else "is neither an address nor a host name, such as 192.0.2.1 or pool.ntp.org"
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        return "is not the address of a server on the WAN"
    return None


def _network_faults(config: Config) -> Iterator[str]:
    network, wifi = config.network, config.wifi
    if network.wan is not None and not portname.is_valid(network.wan):
        yield f"network.wan: {portname.FORMS}"
    if network.lan_address is not None and _lan_address(network.lan_address) is None:
        yield (
            "network.lan_address: the gateway's own address and prefix in a private network with room for devices,"
            " such as 192.168.77.1/24"
        )
    if network.topology == "access-point" and wifi.access_point is None:
        yield "wifi.access_point: needed for the topology access-point"
    if network.topology == "wifi-wan" and not wifi.networks:
        yield "wifi.wan: needed for the topology wifi-wan"
    elif network.wan in RADIO_NAMES and not wifi.networks:
        yield f"wifi.wan: needed where network.wan is the radio ({network.wan}): which network is it to join?"
    if network.wan is not None and network.wan.startswith("wl") and network.wan not in RADIO_NAMES:
        yield f"network.wan: no other radio than the board's own, {RADIO}, can be the WAN"
    yield from _wan_faults(config)


def _wan_faults(config: Config) -> Iterator[str]:
    """What is said of the WAN, and a WAN of which it cannot be true."""
    network = config.network
    if network.wan_address is not None:
        lan = _lan_address(network.lan_address) if network.lan_address else None
        yield from uplink.address_faults("network.wan_address", network.wan_address, lan.network if lan else LAN)
    if network.wan_vlan is not None and network.wan_vlan not in uplink.VLAN_IDS:
        yield f"network.wan_vlan: {uplink.VLAN_IDS[0]} to {uplink.VLAN_IDS[-1]}"
    if network.pppoe is not None:
        yield from uplink.pppoe_faults("network.pppoe", network.pppoe)
        if network.wan_address is not None:
            yield "network.wan_address: not with network.pppoe, which brings the address: remove one of the two"
    for key in _wired_wan(network):
        if radio_is_wan(config):
            yield f"{key}: not with Wi-Fi as WAN: remove one of the two"
        if network.topology == "one-arm":
            yield f"{key}: not with one-arm, whose one wire is your router's: set network.lan_address alone"
        if network.wan == portname.MODEM:
            yield f"{key}: not with {portname.MODEM}: a phone or stick sees to that itself"


def _wired_wan(network: Network) -> Iterator[str]:
    """The keys with which a provider's cable is meant."""
    if network.wan_address is not None:
        yield "network.wan_address"
    if network.wan_vlan is not None:
        yield "network.wan_vlan"
    if network.pppoe is not None:
        yield "network.pppoe"


def _lan_address(text: str) -> IPv4Interface | None:
    try:
        address = IPv4Interface(text)
        check_address(address)
    except (AddressValueError, NetmaskValueError, InvalidFieldError):
        return None
    return address


def _wifi_faults(wifi: Wifi) -> Iterator[str]:
    if (wifi.access_point or wifi.wan) and wifi.country is None:
        yield "wifi.country: needed for Wi-Fi: the radio may not send before it knows the country's rules"
    if wifi.country is not None and not COUNTRY.fullmatch(wifi.country):
        yield "wifi.country: two capital letters (ISO 3166-1), such as SE"
    if wifi.access_point is not None and wifi.networks:
        yield "wifi: one radio cannot be access point and WAN at once: remove wifi.access_point or wifi.wan"
    if wifi.access_point is not None:
        yield from _network_name_faults("wifi.access_point", wifi.access_point)
    seen: dict[str | None, str] = {}
    for name, network in wifi.named_networks:
        yield from _network_name_faults(name, network)
        if seen.setdefault(network.ssid, name) != name:
            yield f"{name}.ssid: the same as {seen[network.ssid]}.ssid"
    if wifi.access_point is not None:
        allowed = range(1, 14) if wifi.access_point.band == "2.4GHz" else (36, 40, 44, 48)
        if wifi.access_point.channel not in allowed:
            yield f"wifi.access_point.channel: {wifi.access_point.band} has " + ", ".join(map(str, allowed))


def _network_name_faults(name: str, part: AccessPoint | WifiWan) -> Iterator[str]:
    if part.ssid is None or not 1 <= len(part.ssid.encode()) <= 32 or not part.ssid.isprintable():
        yield f"{name}.ssid: needed; 1 to 32 bytes of printable characters"
    if part.passphrase is not None and not (
        8 <= len(part.passphrase) <= 63 and all(" " <= c <= "~" for c in part.passphrase)
    ):
        yield f"{name}.passphrase: 8 to 63 ASCII characters (WPA2)"


def _unused_wifi(config: Config) -> Iterator[str]:
    """A network that nothing would ever join or send, which its author believes in."""
    network, wifi = config.network, config.wifi
    if wifi.networks and not radio_is_wan(config):
        told = "network.wan names" if network.wan is not None else f"the topology {network.topology} has"
        yield f"wifi.wan: not used: {told} a wired port for the WAN: remove one of the two"
    if wifi.access_point is not None and network.topology not in {"auto", "access-point"}:
        yield f"wifi.access_point: not used with the topology {network.topology}"


def _vpn_faults(vpn: Vpn) -> Iterator[str]:
    if vpn.account and vpn.provider is None:
        yield "vpn.provider: needed with vpn.account: whose account is it?"
    for name, value in (vpn.account or {}).items():
        if not value.strip() or len(value) > 4096:
            yield f"vpn.account.{name}: empty, or longer than 4096 characters"


def merged(new: Config, old: Config | None) -> Config:
    """``new`` with the secrets that an earlier run has taken out of the file."""
    if old is None:
        return new
    network, wifi, vpn = new.network, new.wifi, new.vpn
    pppoe, before = network.pppoe, old.network.pppoe
    if pppoe and before and pppoe.password is None and pppoe.username == before.username:
        network = msgspec.structs.replace(network, pppoe=before)
    if wifi.access_point is not None and old.wifi.access_point is not None:
        point = _with_passphrase(wifi.access_point, (old.wifi.access_point,))
        wifi = msgspec.structs.replace(wifi, access_point=point)
    if wifi.wan is not None:
        known = tuple(_with_passphrase(network, old.wifi.networks) for network in wifi.networks)
        wifi = msgspec.structs.replace(wifi, wan=known[0] if isinstance(wifi.wan, WifiWan) else known)
    if not vpn.account and vpn.provider == old.vpn.provider:
        vpn = msgspec.structs.replace(vpn, account=old.vpn.account)
    return msgspec.structs.replace(new, network=network, wifi=wifi, vpn=vpn)


def _with_passphrase(network: _Network, before: Iterable[_Network]) -> _Network:
    """``network`` with the passphrase that the one of the same name had, where it has none of its own."""
    known = next((old.passphrase for old in before if old.ssid == network.ssid), None)
    return network if network.passphrase is not None else msgspec.structs.replace(network, passphrase=known)
