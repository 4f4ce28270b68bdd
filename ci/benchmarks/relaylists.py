"""Generated relay lists in the providers' formats, of any size; the same seed gives the same list.

Names, keys and addresses are made up. The addresses are public ones, as the product requires; no test sends a packet to
them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import uuid
from ipaddress import IPv4Address
from typing import Any

# 50 countries with 4 cities each: aa-aaa, aa-bbb, ..., bx-ddd.
PLACES = tuple(f"{chr(97 + n // 26)}{chr(97 + n % 26)}-{c * 3}" for n in range(50) for c in "abcd")
COMPANIES = ("Example Hosting", "Racks and Sons", "Northern Data", "Cable Nine")
FIRST_ADDRESS = IPv4Address("185.0.0.0")

Entry = dict[str, Any]
Document = dict[str, Any]


def encode(document: Document) -> bytes:
    return json.dumps(document).encode()


def public_key(label: str) -> str:
    """A public key without a known private key."""
    return base64.b64encode(hashlib.sha256(label.encode()).digest()).decode()


def mullvad(servers: int, seed: int = 1) -> Document:
    """``GET /app/v1/relays``: WireGuard servers, OpenVPN servers and bridges, in about the real proportion."""
    chance = random.Random(seed)
    return {
        "locations": {code: _mullvad_place(chance, code) for code in PLACES},
        "openvpn": {
            "relays": [_mullvad_server(chance, n, "ovpn") for n in range(servers // 4)],
            "ports": [{"port": 1194, "protocol": "udp"}, {"port": 443, "protocol": "tcp"}],
        },
        "wireguard": {
            "relays": [_mullvad_wireguard(chance, n) for n in range(servers)],
            "port_ranges": [[53, 53], [123, 123], [4000, 33433], [33565, 51820], [52001, 60000]],
            "shadowsocks_port_ranges": [[51900, 51949]],
            "ipv4_gateway": "10.64.0.1",
            "ipv6_gateway": "fc00:bbbb:bbbb:bb01::1",
        },
        "bridge": {
            "relays": [_mullvad_server(chance, n, "br") for n in range(servers // 25)],
            "shadowsocks": [{"protocol": "tcp", "port": 443, "cipher": "aes-256-gcm", "password": "example"}],
        },
    }


def _mullvad_place(chance: random.Random, code: str) -> Entry:
    latitude, longitude = _somewhere(chance)
    return {"country": f"Country {code[:2]}", "city": f"City {code}", "latitude": latitude, "longitude": longitude}


def _mullvad_server(chance: random.Random, number: int, kind: str) -> Entry:
    code = PLACES[number % len(PLACES)]
    return {
        "hostname": f"{code}-{kind}-{number:05d}",
        "location": code,
        "active": True,
        "owned": chance.random() < 0.3,
        "provider": chance.choice(COMPANIES),
        "stboot": chance.random() < 0.9,
        "ipv4_addr_in": _address(number, 0),
        "include_in_country": chance.random() < 0.95,
        "weight": chance.choice((1, 100, 100, 100, 200)),
    }


def _mullvad_wireguard(chance: random.Random, number: int) -> Entry:
    entry = _mullvad_server(chance, number, "wg")
    entry["public_key"] = public_key(f"mullvad {number}")
    if chance.random() < 0.97:
        entry["ipv6_addr_in"] = f"2a03:1b20:4::{number:x}"
    if chance.random() < 0.4:
        entry["shadowsocks_extra_addr_in"] = [_address(number, 1)]
    features: Entry = {}
    if chance.random() < 0.2:
        quic = {"addr_in": [_address(number, 2)], "token": str(uuid.UUID(int=chance.getrandbits(128), version=4))}
        features["quic"] = {**quic, "domain": f"{entry['hostname']}.relays.example"}
    if chance.random() < 0.1:
        features["lwo"] = {}
    if chance.random() < 0.06:
        features["daita"] = {}
        entry["daita"] = True
    if features:
        entry["features"] = features
    return entry


def ivpn(servers: int, seed: int = 1) -> Document:
    """``GET /v5/servers.json``: WireGuard and OpenVPN by gateway, some gateways far larger than others."""
    chance = random.Random(seed)
    groups: dict[str, list[int]] = {}
    for number in range(servers):
        groups.setdefault(PLACES[int(len(PLACES) * chance.random() ** 2)], []).append(number)
    wireguard: list[Entry] = []
    openvpn: list[Entry] = []
    for code, numbers in sorted(groups.items()):
        latitude, longitude = _somewhere(chance)
        of_both = {
            "country_code": code[:2].upper(),
            "country": f"Country {code[:2]}",
            "city": f"City {code}",
            "latitude": latitude,
            "longitude": longitude,
            "isp": chance.choice(COMPANIES),
        }
        hosts = [_ivpn_host(chance, code, number) for number in numbers]
        wireguard.append({"gateway": f"{code}.wg.vpn.example", **of_both, "hosts": hosts})
        others = [_ivpn_openvpn(host, number) for host, number in zip(hosts, numbers, strict=True)]
        openvpn.append({"gateway": f"{code}.gw.vpn.example", **of_both, "hosts": others})
    return {"wireguard": wireguard, "openvpn": openvpn, "config": _ivpn_config()}


def _ivpn_host(chance: random.Random, code: str, number: int) -> Entry:
    entry: Entry = {
        "hostname": f"{code}{number}.wg.vpn.example",
        "dns_name": f"{code}{number}.gw.vpn.example",
        "host": _address(number, 0),
        "public_key": public_key(f"ivpn {number}"),
        "local_ip": "172.16.0.1/12",
        "ipv6": {"local_ip": "fd00:4956:504e:ffff::/96"},
        "load": round(chance.uniform(0, 99), 2),
        "multihop_port": 20000 + number,
        "v2ray": _address(number, 1),
        "isp": chance.choice(COMPANIES),
    }
    if chance.random() < 0.03:
        del entry["ipv6"]
    return entry


def _ivpn_openvpn(host: Entry, number: int) -> Entry:
    kept = {name: host[name] for name in ("dns_name", "load", "multihop_port", "v2ray", "isp")}
    obfuscation = {"obfs3_multihop_port": 20000, "obfs4_multihop_port": 20001, "obfs4_key": public_key(f"{number}")}
    return {"hostname": host["dns_name"], "host": _address(number, 2), "obfs": obfuscation, **kept}


def _ivpn_config() -> Entry:
    def ranges(*pairs: tuple[int, int]) -> list[Entry]:
        return [{"type": "UDP", "range": {"min": low, "max": high}} for low, high in pairs]

    def ports(kind: str, *numbers: int) -> list[Entry]:
        return [{"type": kind, "port": number} for number in numbers]

    return {
        "antitracker": {
            "default": {"ip": "10.0.254.2", "multihop-ip": "10.0.254.102"},
            "hardcore": {"ip": "10.0.254.3", "multihop-ip": "10.0.254.103"},
        },
        "antitracker_plus": {
            "DnsServers": [
                {"Name": "Some", "Description": "Some of it", "Normal": "10.0.254.4", "Hardcore": "10.0.254.5"},
                {"Name": "More", "Description": "More of it", "Normal": "10.0.254.6", "Hardcore": "10.0.254.7"},
            ]
        },
        "api": {"ips": ["198.51.100.220", "198.51.100.221"], "ipv6s": ["2001:db8:203::8"]},
        "ports": {
            "test": [{"echoserver": "198.51.100.240"}],
            "openvpn": [*ports("UDP", 53, 1194), *ports("TCP", 443), *ranges((5500, 19999))],
            "wireguard": [*ports("UDP", 53, 80, 443, 2049, 2050, 58237), *ranges((5500, 19999), (30000, 65000))],
            "obfs3": ports("TCP", 443),
            "v2ray": {"id": "00000000-0000-4000-8000-000000000000", "wireguard": ports("UDP", 15351)},
        },
    }


def _somewhere(chance: random.Random) -> tuple[float, float]:
    return round(chance.uniform(-60, 70), 6), round(chance.uniform(-180, 180), 6)


def _address(number: int, kind: int) -> str:
    """An address that is unique to this number and kind (0 to 3)."""
    return str(FIRST_ADDRESS + number * 4 + kind)
