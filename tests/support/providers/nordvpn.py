"""NordVPN's API: credentials, services, servers. ``python -m tests.support.providers.nordvpn --port 443 ...``."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app import keys
from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

TOKEN = "a1b2c3d4" * 8


def server(hostname: str, station: str, public_key: str | None, **other: Any) -> dict[str, Any]:
    metadata = [] if public_key is None else [{"name": "public_key", "value": public_key}]
    return {
        "hostname": hostname,
        "station": station,
        "status": "online",
        "load": 23,
        "groups": [{"id": 11, "title": "Standard VPN servers"}, {"id": 15, "title": "P2P"}],
        "technologies": [
            {"id": 3, "identifier": "openvpn_udp", "metadata": [], "pivot": {"status": "online"}},
            {"id": 35, "identifier": "wireguard_udp", "metadata": metadata, "pivot": {"status": "online"}},
        ],
        "locations": [
            {
                "country": {
                    "name": "Sweden",
                    "code": "SE",
                    "city": {"name": "Stockholm", "latitude": 59.33, "longitude": 18.05},
                }
            }
        ],
        **other,
    }


def server_list(*servers: Any) -> bytes:
    return json.dumps(servers).encode()


def virtual(value: str = "true") -> list[dict[str, Any]]:
    return [{"identifier": "virtual_location", "values": [{"value": value}]}]


def dedicated(hostname: str, station: str, public_key: str, group: int = 9) -> dict[str, Any]:
    """A server that accepts nobody but the customer who rents it."""
    return server(hostname, station, public_key, groups=[{"id": group, "title": "Dedicated IP"}, {"id": 11}])


DEFAULT_LIST = server_list(
    server("se1.nordvpn.com", "185.236.42.10", key(21), specifications=virtual("false")),
    server("se2.nordvpn.com", "185.236.42.11", f"{key(22)} ", specifications=virtual()),
    dedicated("se9.nordvpn.com", "185.236.42.19", key(29)),
)


@dataclass
class NordVpn(StandIn):
    names: tuple[str, ...] = ("api.nordvpn.com",)
    tokens: dict[str, float] = field(default_factory=lambda: {TOKEN: time.time() + 42 * 86400})
    private_key: str = ""
    services: bool = True  # whether the account's services can be asked for
    servers: bytes = DEFAULT_LIST

    def __post_init__(self) -> None:
        self.private_key = self.private_key or keys.generate().private_key.reveal()
        self.route("GET", "/v1/users/services/credentials", self._credentials)
        self.route("GET", "/v1/users/services", self._services)
        self.route("GET", "/v1/servers", self._servers)

    def peers(self) -> list[dict[str, Any]]:
        pair = keys.public_key(keys.Secret(self.private_key))
        return [{"public_key": pair, "addresses": ["10.5.0.2/32"]}]

    def _token(self, request: Request) -> str:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        user, _, token = base64.b64decode(value).decode().partition(":")
        if scheme != "Basic" or user != "token" or token not in self.tokens:
            raise Answer(401, {"errors": {"code": 100103, "message": "Unauthorized"}})
        return token

    def _credentials(self, request: Request) -> Answer:
        self._token(request)
        return Answer(200, {"id": 11, "username": "x", "password": "x", "nordlynx_private_key": self.private_key})

    def _services(self, request: Request) -> Answer:
        ends = datetime.fromtimestamp(self.tokens[self._token(request)], UTC)
        if not self.services:
            return Answer(404, {})
        found = {"id": 1, "expires_at": f"{ends:%Y-%m-%d %H:%M:%S}", "service": {"identifier": "vpn"}}
        return Answer(200, [found])

    def _servers(self, request: Request) -> Answer:
        assert request.query["filters[servers_technologies][identifier]"] == "wireguard_udp"
        return with_etag(request, self.servers)


if __name__ == "__main__":
    run(NordVpn(), list_attribute="servers")
