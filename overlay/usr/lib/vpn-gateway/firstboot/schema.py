"""``gateway.toml``: its shape and its checks. No I/O."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Interface, IPv4Network, NetmaskValueError
from typing import Literal

import msgspec
from msgspec import Struct, field

from app import encoding
from app.encoding import Decoded, NotTextError

HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
INTERFACE = re.compile(r"[a-z][a-z0-9._-]{0,14}")
SSH_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/=]{60,}( [^\n]*)?"
)
COUNTRY = re.compile(r"[A-Z]{2}")
PRIVATE = tuple(IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
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


class Network(Struct, forbid_unknown_fields=True, frozen=True):
    topology: Literal["auto", "wired", "access-point", "one-arm", "wifi-wan"] = "auto"
    wan: str | None = None  # an interface's name, instead of the on-board port
    lan_address: str | None = None  # the gateway's own on the LAN, such as 192.168.77.1/24


class AccessPoint(Struct, forbid_unknown_fields=True, frozen=True):
    ssid: str | None = None
    passphrase: str | None = None
    channel: int = 6
    band: Literal["2.4GHz", "5GHz"] = "2.4GHz"


class WifiWan(Struct, forbid_unknown_fields=True, frozen=True):
    ssid: str | None = None
    passphrase: str | None = None  # None: an open network


class Wifi(Struct, forbid_unknown_fields=True, frozen=True):
    country: str | None = None  # ISO 3166-1 alpha-2: the radio stays off without it
    access_point: AccessPoint | None = None
    wan: WifiWan | None = None


class Vpn(Struct, forbid_unknown_fields=True, frozen=True):
    provider: str | None = None
    account: dict[str, str] | None = None  # what the provider's form asks for; kept until the sign-in has succeeded
    connect: str | None = None  # the server to connect to, once; netd remembers it from then on


class Config(Struct, forbid_unknown_fields=True, frozen=True):
    system: System = field(default_factory=System)
    network: Network = field(default_factory=Network)
    wifi: Wifi = field(default_factory=Wifi)
    vpn: Vpn = field(default_factory=Vpn)


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
    """Msgspec's "... - at `$.wifi.country`" with the key first."""
    reason, _, path = message.partition(" - at ")
    return f"{path.strip('`').removeprefix('$.')}: {reason}" if path else reason


def _faults(config: Config) -> Iterator[str]:
    yield from _system_faults(config.system)
    yield from _network_faults(config)
    yield from _wifi_faults(config.wifi)
    yield from _vpn_faults(config.vpn)


def _system_faults(system: System) -> Iterator[str]:
    if not HOSTNAME.fullmatch(system.hostname):
        yield "system.hostname: letters a-z, digits and hyphens, at most 63 (RFC 1123)"
    if system.admin_password is not None and not (
        PASSWORD_SHORTEST <= len(system.admin_password) <= PASSWORD_LONGEST and "\n" not in system.admin_password
    ):
        yield f"system.admin_password: {PASSWORD_SHORTEST} to {PASSWORD_LONGEST} characters on one line"
    if system.ssh_key is not None and not SSH_KEY.fullmatch(system.ssh_key.strip()):
        yield "system.ssh_key: one OpenSSH public key, such as the line in id_ed25519.pub"


def _network_faults(config: Config) -> Iterator[str]:
    network, wifi = config.network, config.wifi
    if network.wan is not None and not INTERFACE.fullmatch(network.wan):
        yield "network.wan: the name of a network interface, such as wan or wlan0"
    if network.lan_address is not None and _lan_address(network.lan_address) is None:
        yield (
            "network.lan_address: the gateway's own address and prefix in a private network with room for devices,"
            " such as 192.168.77.1/24"
        )
    if network.topology == "access-point" and wifi.access_point is None:
        yield "wifi.access_point: needed for the topology access-point"
    if network.topology == "wifi-wan" and wifi.wan is None:
        yield "wifi.wan: needed for the topology wifi-wan"


def _lan_address(text: str) -> IPv4Interface | None:
    try:
        address = IPv4Interface(text)
    except (AddressValueError, NetmaskValueError):
        return None
    net = address.network
    usable = 8 <= net.prefixlen <= 29 and address.ip not in {net.network_address, net.broadcast_address}
    return address if usable and any(net.subnet_of(n) for n in PRIVATE) else None


def _wifi_faults(wifi: Wifi) -> Iterator[str]:
    if (wifi.access_point or wifi.wan) and wifi.country is None:
        yield "wifi.country: needed for Wi-Fi: the radio may not send before it knows the country's rules"
    if wifi.country is not None and not COUNTRY.fullmatch(wifi.country):
        yield "wifi.country: two capital letters (ISO 3166-1), such as SE"
    if wifi.access_point is not None and wifi.wan is not None:
        yield "wifi: one radio cannot be access point and WAN at once: remove wifi.access_point or wifi.wan"
    for name, part in (("wifi.access_point", wifi.access_point), ("wifi.wan", wifi.wan)):
        if part is None:
            continue
        if part.ssid is None or not 1 <= len(part.ssid.encode()) <= 32 or not part.ssid.isprintable():
            yield f"{name}.ssid: needed; 1 to 32 bytes of printable characters"
        if part.passphrase is not None and not (
            8 <= len(part.passphrase) <= 63 and all(" " <= c <= "~" for c in part.passphrase)
        ):
            yield f"{name}.passphrase: 8 to 63 ASCII characters (WPA2)"
    if wifi.access_point is not None:
        allowed = range(1, 14) if wifi.access_point.band == "2.4GHz" else (36, 40, 44, 48)
        if wifi.access_point.channel not in allowed:
            yield f"wifi.access_point.channel: {wifi.access_point.band} has " + ", ".join(map(str, allowed))


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
    wifi, vpn = new.wifi, new.vpn
    for name in ("access_point", "wan"):
        part, before = getattr(wifi, name), getattr(old.wifi, name)
        if part is not None and part.passphrase is None and before is not None and before.ssid == part.ssid:
            part = msgspec.structs.replace(part, passphrase=before.passphrase)
            wifi = msgspec.structs.replace(wifi, **{name: part})
    if not vpn.account and vpn.provider == old.vpn.provider:
        vpn = msgspec.structs.replace(vpn, account=old.vpn.account)
    return msgspec.structs.replace(new, wifi=wifi, vpn=vpn)
