"""Guesses at a file's provider and its server's country, from names and comments; for people only."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from app.model import TunnelConfig
from app.wgconf.countries import COUNTRIES


class Hints(Struct, frozen=True):
    provider: str | None = None
    location: str | None = None
    device: str | None = None


_BY_DOMAIN = {
    "airdns.org": "AirVPN",
    "airvpn.org": "AirVPN",
    "azirevpn.net": "AzireVPN",
    "cloudflareclient.com": "Cloudflare WARP",
    "ivpn.net": "IVPN",
    "mullvad.net": "Mullvad",
    "nordvpn.com": "NordVPN",
    "ovpn.com": "OVPN",
    "privacy.network": "Private Internet Access",
    "protonvpn.net": "Proton VPN",
    "surfshark.com": "Surfshark",
    "whiskergalaxy.com": "Windscribe",
    "windscribe.com": "Windscribe",
}
_BY_RESOLVER = {
    "10.128.0.1": "AirVPN",
    "10.64.0.1": "Mullvad",
    "10.2.0.1": "Proton VPN",
    "103.86.96.100": "NordVPN",
    "103.86.99.100": "NordVPN",
    "149.154.159.92": "Surfshark",
    "162.252.172.57": "Surfshark",
    "10.255.255.3": "Windscribe",
}
_BY_NETWORK = {
    ipaddress.IPv6Network("fc00:bbbb:bbbb:bb01::/64"): "Mullvad",
    ipaddress.IPv6Network("fd00:4956:504e:ffff::/96"): "IVPN",
    ipaddress.IPv6Network("fd7d:76ee:e68f:a993::/64"): "AirVPN",
    ipaddress.IPv6Network("2a07:b944::/32"): "Proton VPN",
}

_HOST_LABEL = re.compile(r"([a-z]{2})(?:\d{1,5}|-[a-z]{3}(?:-.*)?)?")  # us5063, se-sto-wg-001, de-fra, ch
_SERVER_NAME = re.compile(r"([a-z]{2})-[a-z]{3}-(?:wg-)?\d{3}")  # Mullvad names its files so
_PROTON_SERVER = re.compile(r"([A-Z]{2})(?:-([A-Z]{2,4}))?#\d{1,5}(?:-TOR)?")  # NO#21, NL-FREE#4, US-TX#2, CH-SE#1
_PROTON_ENTRIES = frozenset({"CH", "IS", "SE"})  # "secure core": the first country is only where one enters
_DEVICE = re.compile(r"Device: ([\w .'-]{1,40})")


def find(config: TunnelConfig, comments: list[str], name: str | None) -> Hints:
    """The guesses about ``config``; ``name`` is the file's name without ``.conf``."""
    hosts = [p.endpoint.host for p in config.peers if p.endpoint is not None]
    provider = _provider(config, hosts)
    country = _country(hosts, comments, name)
    device = next((found[1].strip() for c in comments if (found := _DEVICE.fullmatch(c))), None)
    return Hints(provider=provider, location=country, device=device)


def _domain(host: str) -> str | None:
    return next((d for d in _BY_DOMAIN if host == d or host.endswith(f".{d}")), None)


def _provider(config: TunnelConfig, hosts: list[str]) -> str | None:
    for host in hosts:
        if domain := _domain(host):
            return _BY_DOMAIN[domain]
    for network, provider in _BY_NETWORK.items():
        if any(a.ip in network for a in config.addresses):
            return provider
    return next((_BY_RESOLVER[str(r)] for r in config.dns if str(r) in _BY_RESOLVER), None)


def _country(hosts: list[str], comments: list[str], name: str | None) -> str | None:
    codes: list[str] = []
    for comment in comments:
        if found := _PROTON_SERVER.fullmatch(comment):
            first, second = found[1], found[2]
            codes.append(second if first in _PROTON_ENTRIES and second and len(second) == 2 else first)
    codes += [found[1] for h in hosts if _domain(h) and (found := _HOST_LABEL.fullmatch(h.partition(".")[0]))]
    if name and (found := _SERVER_NAME.fullmatch(name.lower())):
        codes.append(found[1])
    return next((COUNTRIES[c.lower()] for c in codes if c.lower() in COUNTRIES), None)
