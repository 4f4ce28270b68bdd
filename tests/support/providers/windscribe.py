"""Windscribe's public list. ``python -m tests.support.providers.windscribe --port 443 ...``.

As its apps fetch it: regions, their places with one WireGuard key each, and their nodes with three addresses, of which
``ip3`` speaks WireGuard. The path ends with the time of the request, so that no cache answers.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag


def node(hostname: str, ip3: str | None, **other: Any) -> dict[str, Any]:
    found = {"ip": "104.254.92.10", "ip2": "104.254.92.11", "hostname": hostname, "weight": 1, "health": 23}
    return {**found, **({"ip3": ip3} if ip3 is not None else {}), **other}


def group(city: str, public_key: str | None, *nodes: Any, **other: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"id": 147, "city": city, "nick": "Ikea", "pro": 1, "gps": "59.32,18.07", "tz": "Europe/x"}
    found |= {"ovpn_x509": "arn-147.windscribe.com", "link_speed": "10000", "load": 11, "nodes": list(nodes)}
    return {**found, **({"wg_pubkey": public_key} if public_key is not None else {}), **other}


def region(name: str, code: str, *groups: Any, **other: Any) -> dict[str, Any]:
    found = {"id": 38, "name": name, "country_code": code, "status": 1, "premium_only": 0, "short_name": code}
    return {**found, "p2p": 1, "tz": "Europe/x", "loc_type": "normal", "groups": list(groups), **other}


def server_list(*regions: Any) -> bytes:
    return json.dumps({"data": regions, "info": {"revision": 4711, "revision_hash": "x", "changed": 1}}).encode()


DEFAULT_LIST = server_list(
    region(
        "Sweden",
        "SE",
        group(
            "Stockholm",
            key(71),
            node("arn-301.whiskergalaxy.com", "185.236.42.71"),
            node("arn-302.whiskergalaxy.com", "185.236.42.72"),
        ),
    ),
    region(
        "Norway",
        "NO",
        group("Oslo", key(72), node("osl-101.whiskergalaxy.com", "185.236.42.73")),
        group("Fjord", None, node("osl-102.whiskergalaxy.com", None)),
    ),
)


@dataclass
class Windscribe(StandIn):
    names: tuple[str, ...] = ("assets.windscribe.com",)
    servers: bytes = DEFAULT_LIST

    def __post_init__(self) -> None:
        self.route("GET", "/serverlist/mob-v2/1/([0-9]+)", self._list)

    def _list(self, request: Request) -> Answer:
        if abs(int(request.groups[0]) - time.time()) > 3600:
            return Answer(404, {"errorCode": 404})
        return with_etag(request, self.servers)


if __name__ == "__main__":
    run(Windscribe(), list_attribute="servers")
