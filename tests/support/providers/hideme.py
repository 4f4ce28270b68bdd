"""hide.me: tokens, sessions, the list. ``python -m tests.support.providers.hideme --port 443 ...``.

One stand-in plays all of hide.me's servers, whose certificates are for one name. A refusal has a status and no more.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

USER, PASSWORD = "somebody", "correct horse battery"


def location(hostname: str, /, **other: Any) -> dict[str, Any]:
    geo = {"lat": 59.3293, "lon": 18.0686, "cityName": "Stockholm", "countryCode": "SE", "continent": "EU"}
    return {
        "id": 42,
        "hostname": hostname,
        "flag": "se",
        "displayName": "Sweden",
        "tags": ["10g"],
        "geo": geo,
        "children": [],
        **other,
    }


def server_list(*locations: Any) -> bytes:
    return json.dumps(locations).encode()


DEFAULT_LIST = server_list(location("se-v4.hideservers.net"), location("se-2-v4.hideservers.net"))


@dataclass
class Session:
    host: str
    public_key: str
    address: str


@dataclass
class HideMe(StandIn):
    names: tuple[str, ...] = ("hideservers.net", "api.hide.me")
    hosts: tuple[str, ...] = ("any.hideservers.net", "se.hideservers.net", "se-2.hideservers.net")
    expires: float = field(default_factory=lambda: time.time() + 42 * 86400)
    tokens: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)  # tokens that are to be renewed
    sessions: dict[str, Session] = field(default_factory=dict)  # by session token
    limit: int = 10  # sessions at a time
    server_key: str = key(61)
    port_to_dial: int = 9876
    preshared_key: str | None = key(62)
    refuses_with_nothing: bool = False  # an empty answer where a status would tell more
    connected: dict[str, Any] = field(default_factory=dict)  # in place of what a connect answers
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    servers: bytes = DEFAULT_LIST

    def __post_init__(self) -> None:
        self.route("GET", "/v1/network/free/en", lambda r: with_etag(r, self.servers))
        self.route("POST", "/v1/accessToken", self._token)
        self.route("POST", "/v1/connect", self._connect)
        self.route("POST", "/v1/disconnect", self._disconnect)

    def peers(self) -> list[dict[str, Any]]:
        psk = {"preshared_key": self.preshared_key} if self.preshared_key else {}
        return [{"public_key": s.public_key, "addresses": [f"{s.address}/32"], **psk} for s in self.sessions.values()]

    def _read(self, request: Request) -> Any:
        body = request.json()
        self.bodies.append((request.path, body))
        if body["domain"] != "hide.me":
            raise Answer(400)
        return body

    def _refusal(self) -> Answer:
        return Answer(200) if self.refuses_with_nothing else Answer(401)

    def _token(self, request: Request) -> Answer:
        body = self._read(request)
        if "accessToken" in body:
            known = body["accessToken"] in self.tokens
        else:
            known = (body["username"], body["password"]) == (USER, PASSWORD)
        if not known:
            return self._refusal()
        if self.expires <= time.time():
            return Answer(402)
        token = base64.b64encode(secrets.token_bytes(96)).decode()
        self.tokens.add(token)
        return Answer(200, token)

    def _connect(self, request: Request) -> Answer:
        body = self._read(request)
        if f"{body['host']}.hideservers.net" != request.headers["host"].partition(":")[0]:
            return Answer(400)
        if body["accessToken"] not in self.tokens:
            return self._refusal()
        if self.expires <= time.time():
            return Answer(402)
        if len(self.sessions) >= self.limit:
            return Answer(409)
        token = base64.b64encode(secrets.token_bytes(32)).decode()
        number = 1 + self.count("POST", request.path)
        session = Session(body["host"], body["publicKey"], str(ipaddress.IPv4Address("10.13.128.0") + number))
        for other in [
            t for t, s in self.sessions.items() if (s.host, s.public_key) == (session.host, body["publicKey"])
        ]:
            del self.sessions[other]
        self.sessions[token] = session
        self.on_change()
        answer = {
            "publicKey": self.server_key,
            "endpoint": {"IP": "198.51.100.77", "Port": self.port_to_dial, "Zone": ""},
            "persistentKeepalive": 20_000_000_000,
            "allowedIps": [session.address, f"fd00:6968:6564:6d65::{number}"],
            "DNS": ["10.255.255.250", "fd00:6968:6564:6d65::fa"],
            "gateway": ["10.255.255.250", "fd00:6968:6564:6d65::fa"],
            "sessionToken": token,
            **({"presharedKey": self.preshared_key} if self.preshared_key else {}),
            **({"staleAccessToken": True} if body["accessToken"] in self.stale else {}),
        }
        return Answer(200, {**answer, **self.connected})

    def _disconnect(self, request: Request) -> Answer:
        if self.sessions.pop(self._read(request)["sessionToken"], None) is None:
            return Answer(404)
        self.on_change()
        return Answer(200, {})


if __name__ == "__main__":
    run(HideMe(), list_attribute="servers")
