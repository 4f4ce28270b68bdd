"""AirVPN's API: an API key, and devices with keys made there. ``python -m tests.support.providers.airvpn --port 443``.

A refusal has HTTP 200; the generator answers with text, and with JSON where it refuses.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from app import keys
from app.model import Secret
from app.providers.airvpn_relays import SERVER_KEY
from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

API_KEY = "0123456789abcdef" * 4
NOT_AUTHORIZED = {"error": "Not authorized"}
TEXT = {"content-type": "text/plain; charset=utf-8"}


def server(name: str, address: str, /, **other: Any) -> dict[str, Any]:
    return {
        "public_name": name,
        "country_code": "se",
        "country_name": "Sweden",
        "location": "Stockholm",
        "continent": "Europe",
        "bw": 1200,
        "bw_max": 10000,
        "users": 61,
        "currentload": 12,
        **{f"ip_v4_in{n}": address for n in range(1, 5)},
        **{f"ip_v6_in{n}": f"2a03:1b20:5:7::{n}" for n in range(1, 5)},
        "health": "ok",
        **other,
    }


def server_list(*servers: Any) -> bytes:
    return json.dumps({"result": "ok", "servers": servers, "routing": []}).encode()


DEFAULT_LIST = server_list(server("Copernicus", "195.246.120.41"), server("Ain", "195.246.120.42"))


@dataclass
class Device:
    number: int
    private_key: str = ""
    preshared_key: str = ""

    def __post_init__(self) -> None:
        self.private_key = self.private_key or keys.generate().private_key.reveal()
        self.preshared_key = self.preshared_key or key(900 + self.number)

    @property
    def addresses(self) -> tuple[str, str]:
        return (f"10.130.7.{self.number}/32", f"fd7d:76ee:e68f:a993:7::{self.number}/128")


@dataclass
class AirVpn(StandIn):
    names: tuple[str, ...] = ("airvpn.org",)
    expires: float = field(default_factory=lambda: time.time() + 42 * 86400)
    api_keys: set[str] = field(default_factory=lambda: {API_KEY})
    devices: dict[str, Device] = field(default_factory=lambda: {"Default": Device(2), "Gateway": Device(3)})
    servers: bytes = DEFAULT_LIST
    server_key: str = SERVER_KEY
    dns: str = "10.128.0.1, fd7d:76ee:e68f:a993::1"
    user: dict[str, Any] | None = None  # in place of what userinfo tells
    generated: bytes | None = None  # in place of the generator's file
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.route("GET", "/api/status/", lambda r: with_etag(r, self.servers))
        self.route("GET", "/api/userinfo/", self._user)
        self.route("GET", "/api/devices/", self._devices)
        self.route("GET", "/api/generator/", self._generate)

    def peers(self) -> list[dict[str, Any]]:
        return [
            {
                "public_key": keys.public_key(Secret(device.private_key)),
                "preshared_key": device.preshared_key,
                "addresses": list(device.addresses),
            }
            for device in self.devices.values()
        ]

    def _signed_in(self, request: Request) -> None:
        self.asked.append(request)
        if request.headers.get("api-key") not in self.api_keys:
            raise Answer(200, NOT_AUTHORIZED)

    def _user(self, request: Request) -> Answer:
        self._signed_in(request)
        premium = self.expires > time.time()
        user = (
            self.user
            if self.user is not None
            else {
                "login": "somebody",
                "premium": premium,
                "expiration_unix": int(self.expires) if premium else 0,
                "expiration_days": 41,
                "connected": False,
            }
        )
        return Answer(200, {"result": "ok", "user": user, "sessions": []})

    def _devices(self, request: Request) -> Answer:
        self._signed_in(request)
        devices = [{"id": str(d.number), "name": name, "description": ""} for name, d in self.devices.items()]
        return Answer(200, {"result": "ok", "devices": devices})

    def _generate(self, request: Request) -> Answer:
        """For a name that is not known, the file of the default device, without a word."""
        self._signed_in(request)
        query = request.query
        if query["protocols"] != "wireguard_1_udp_1637" or query["servers"] != "earth":
            return Answer(200, {"result": "error", "message": "Wrong parameters"})
        if self.generated is not None:
            return Answer(200, self.generated, TEXT)
        named = {name.lower(): device for name, device in self.devices.items()}
        device = named.get(query["device"].lower()) or self.devices["Default"]
        v4, v6 = device.addresses
        both = query["iplayer_exit"] == "ipv4_ipv6"
        lines = [
            "[Interface]",
            f"Address = {v4},{v6}" if both else f"Address = {v4}",
            f"PrivateKey = {device.private_key}",
            "MTU = 1320",
            f"DNS = {self.dns}" if both else "DNS = 10.128.0.1",
            "",
            "[Peer]",
            f"PublicKey = {self.server_key}",
            f"PresharedKey = {device.preshared_key}",
            "Endpoint = 195.246.120.41:1637",
            "AllowedIPs = 0.0.0.0/0,::/0" if both else "AllowedIPs = 0.0.0.0/0",
            "PersistentKeepalive = 15",
        ]
        return Answer(200, "\n".join([*lines, ""]).encode(), TEXT)


if __name__ == "__main__":
    run(AirVpn(), list_attribute="servers")
