"""The checks of a configuration; each fault is a line that names its key and shows no secret (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Interface, NetmaskValueError, ip_address

from app import hostnames, portname
from app.addresses import is_routable
from app.auth.password_rules import MAX_LENGTH, MIN_LENGTH, normalized
from app.errors import InvalidFieldError
from app.firstboot import uplink
from app.firstboot.schema import (
    RADIO,
    RADIO_NAMES,
    AccessPoint,
    Config,
    Network,
    System,
    Vpn,
    Wifi,
    WifiWan,
    radio_is_wan,
)
from app.lan import check_address, check_hostname
from app.model import LanSettings

SSH_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/=]{60,}( [^\n]*)?"
)
COUNTRY = re.compile(r"[A-Z]{2}")
MAX_TIME_SERVERS = 8
DEFAULT_LAN = LanSettings().address.network  # without lan_address


def faults(config: Config) -> Iterator[str]:
    """A line for each value that is invalid or would have no effect; each names its key."""
    yield from _system_faults(config.system)
    yield from _network_faults(config)
    yield from _wifi_faults(config.wifi)
    yield from _unused_wifi(config)
    yield from _vpn_faults(config.vpn)


def _system_faults(system: System) -> Iterator[str]:
    try:
        check_hostname(system.hostname, "system.hostname")
    except InvalidFieldError as error:
        yield error.message
    if system.admin_password is not None and not (
        MIN_LENGTH <= len(normalized(system.admin_password)) <= MAX_LENGTH and "\n" not in system.admin_password
    ):
        yield f"system.admin_password: {MIN_LENGTH} to {MAX_LENGTH} characters on one line"
    if system.ssh_key is not None and not SSH_KEY.fullmatch(system.ssh_key.strip()):
        yield "system.ssh_key: one OpenSSH public key, such as the line in id_ed25519.pub"
    if len(system.time_servers) > MAX_TIME_SERVERS:
        yield f"system.ntp: at most {MAX_TIME_SERVERS} servers"
    for server in system.time_servers:
        if (reason := _ntp_fault(server)) is not None:
            yield f"system.ntp: {server[:80]!r} {reason}"


def _ntp_fault(server: str) -> str | None:
    try:
        address = ip_address(server)
    except ValueError:
        named = hostnames.is_host_name(server)
        return None if named else "is neither an address nor a host name, such as 192.0.2.1 or pool.ntp.org"
    return None if is_routable(address) else "is not the address of a server on the WAN"


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
    """Faults of the WAN's settings, and settings that do not fit the kind of WAN."""
    network = config.network
    if network.wan_address is not None:
        own = _lan_address(network.lan_address) if network.lan_address else None
        lan = own.network if own else DEFAULT_LAN
        yield from uplink.address_faults("network.wan_address", network.wan_address, lan)
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
    """The keys that apply to a wired WAN only."""
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
    """Wi-Fi networks that would have no effect."""
    network, wifi = config.network, config.wifi
    if wifi.networks and not radio_is_wan(config):
        reason = "network.wan names" if network.wan is not None else f"the topology {network.topology} has"
        yield f"wifi.wan: not used: {reason} a wired port for the WAN: remove one of the two"
    if wifi.access_point is not None and network.topology not in {"auto", "access-point"}:
        yield f"wifi.access_point: not used with the topology {network.topology}"


def _vpn_faults(vpn: Vpn) -> Iterator[str]:
    if vpn.account and vpn.provider is None:
        yield "vpn.provider: needed with vpn.account: whose account is it?"
    for name, value in (vpn.account or {}).items():
        if not value.strip() or len(value) > 4096:
            yield f"vpn.account.{name}: empty, or longer than 4096 characters"
