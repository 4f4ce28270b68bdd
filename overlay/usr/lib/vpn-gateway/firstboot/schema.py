"""``gateway.toml``: its shape, its checks, and its secrets. No I/O."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct, field

HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
INTERFACE = re.compile(r"[a-z][a-z0-9._-]{0,14}")
SSH_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/=]{60,}( [^\n]*)?"
)
COUNTRY = re.compile(r"[A-Z]{2}")
SECRETS = ("passphrase",)  # keys whose values are taken out of the file


class SchemaError(Exception):
    """One line a fault, each naming its key."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class System(Struct, forbid_unknown_fields=True, frozen=True):
    hostname: str = "vpn-gateway"
    ssh_key: str | None = None  # one public key; SSH is off without it


class Network(Struct, forbid_unknown_fields=True, frozen=True):
    topology: Literal["auto", "wired", "access-point", "wifi-wan"] = "auto"
    wan: str | None = None  # an interface's name, instead of the on-board port


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
    connect: str | None = None  # the server to be connected to, from now on and after every restart


class Config(Struct, forbid_unknown_fields=True, frozen=True):
    system: System = field(default_factory=System)
    network: Network = field(default_factory=Network)
    wifi: Wifi = field(default_factory=Wifi)
    vpn: Vpn = field(default_factory=Vpn)


def decode(data: bytes) -> str:
    """``data`` as text: UTF-8, or what Windows' Notepad makes of it (a byte order mark, UTF-16)."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if data.startswith(mark):
            try:
                return data.decode(encoding).replace("\r\n", "\n")
            except UnicodeDecodeError as error:
                raise SchemaError(f"the file is not {encoding} text: save it as UTF-8 ({error.reason})") from None
    raise AssertionError


def parse(text: str) -> Config:
    """Raises SchemaError with every fault that can be told apart."""
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"not TOML: {error}") from None
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
    system, network, wifi = config.system, config.network, config.wifi
    if not HOSTNAME.fullmatch(system.hostname):
        yield "system.hostname: letters a-z, digits and hyphens, at most 63 (RFC 1123)"
    if system.ssh_key is not None and not SSH_KEY.fullmatch(system.ssh_key.strip()):
        yield "system.ssh_key: one OpenSSH public key, such as the line in id_ed25519.pub"
    if network.wan is not None and not INTERFACE.fullmatch(network.wan):
        yield "network.wan: the name of a network interface, such as wan or wlan0"
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
    if network.topology == "access-point" and wifi.access_point is None:
        yield "wifi.access_point: needed for the topology access-point"
    if network.topology == "wifi-wan" and wifi.wan is None:
        yield "wifi.wan: needed for the topology wifi-wan"
    if wifi.access_point is not None:
        allowed = range(1, 14) if wifi.access_point.band == "2.4GHz" else (36, 40, 44, 48)
        if wifi.access_point.channel not in allowed:
            yield f"wifi.access_point.channel: {wifi.access_point.band} has " + ", ".join(map(str, allowed))


def without_secrets(text: str) -> str:
    """``text`` with every secret's value taken out; comments and layout stay as they are."""
    line = re.compile(rf"^(\s*)((?:{'|'.join(SECRETS)})\s*=).*$", re.MULTILINE)
    return line.sub(r'\1# \2 "(taken; kept on the data partition)"', text)


def merged(new: Config, old: Config | None) -> Config:
    """``new`` with the secrets that an earlier run has taken out of the file."""
    if old is None:
        return new
    wifi = new.wifi
    for name in ("access_point", "wan"):
        part, before = getattr(wifi, name), getattr(old.wifi, name)
        if part is not None and part.passphrase is None and before is not None and before.ssid == part.ssid:
            part = msgspec.structs.replace(part, passphrase=before.passphrase)
            wifi = msgspec.structs.replace(wifi, **{name: part})
    return msgspec.structs.replace(new, wifi=wifi)
