"""AirVPN's public status. ``python -m tests.support.providers.airvpn_list --port 443 ...``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.providers.standin import Answer, Request, StandIn, run

PUBLIC_KEY = "PyLCXAQT8KkM4T+dUsOQfn+Ub3pGxfGlxkIApuig+hk="  # of all of AirVPN's servers


def server(public_name: str, address: str | None, **other: Any) -> dict[str, Any]:
    addresses = {f"ip_v4_in{n}": f"185.236.43.{n}" for n in range(2, 5)}
    addresses |= {f"ip_v6_in{n}": f"2a0d:5600:24:13::{n}" for n in range(1, 5)}
    return {
        "public_name": public_name,
        "country_name": "Sweden",
        "country_code": "se",
        "location": "Stockholm",
        "continent": "Europe",
        "bw": 1409,
        "bw_max": 20000,
        "users": 71,
        "currentload": 7,
        **addresses,
        **({"ip_v4_in1": address} if address is not None else {}),
        "health": "ok",
        **other,
    }


def server_list(*servers: Any) -> bytes:
    return json.dumps({"servers": servers, "routing": [], "countries": [], "result": "ok"}).encode()


DEFAULT_LIST = server_list(
    server("Copernicus", "185.236.43.81"),
    server("Fang", "185.236.43.82", country_name="Norway", country_code="no", location="Oslo"),
    server("Ain", "185.236.43.83", health="error"),
    server("Lupus", None),
)


@dataclass
class AirVpnList(StandIn):
    names: tuple[str, ...] = ("airvpn.org",)
    servers: bytes = DEFAULT_LIST

    def __post_init__(self) -> None:
        self.route("GET", "/api/status/", self._status)

    def _status(self, request: Request) -> Answer:
        assert request.query == {"format": "json"}
        return Answer(200, self.servers)


if __name__ == "__main__":
    run(AirVpnList(), list_attribute="servers")
