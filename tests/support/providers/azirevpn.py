"""AzireVPN's API: tokens, IPs, users, locations. ``python -m tests.support.providers.azirevpn --port 443 ...``."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import h11

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

USER, PASSWORD = "camel", "correct horse battery"


def location(name: str, pool: str, public_key: str, **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "city": "Stockholm",
        "country": "Sweden",
        "iso": "se",
        "pool": pool,
        "pubkey": public_key,
        **other,
    }


def server_list(*locations: Any) -> bytes:
    return json.dumps({"status": "success", "locations": locations}).encode()


DEFAULT_LIST = server_list(
    location("se-sto", "se-sto.azirevpn.net", key(31)), location("se-got", "se-got.azirevpn.net", key(32))
)


@dataclass
class AzireVpn(StandIn):
    names: tuple[str, ...] = ("api.azirevpn.com",)
    expires: float = field(default_factory=lambda: time.time() + 42 * 86400)
    limit: int = 10
    tokens: dict[str, str] = field(default_factory=dict)  # key -> id
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses_with_200: bool = False  # whether refusals are told in the body alone
    wrapped: bool = True  # whether a new device's answer is within "data": the documents show it without
    servers: bytes = DEFAULT_LIST
    _number: int = 0

    def __post_init__(self) -> None:
        self.route("POST", "/v3/tokens", self._new_token)
        self.route("DELETE", "/v3/tokens/([^/]+)", self._end_token)
        self.route("GET", "/v3/users/me", self._me)
        self.route("GET", "/v3/ips", self._ips)
        self.route("POST", "/v3/ips", self._new_ip)
        self.route("DELETE", "/v3/ips/([^/]+)", self._end_ip)
        self.route("PUT", "/v3/ips/([^/]+)/keys", self._set_key)
        self.route("GET", "/v3/locations", lambda r: with_etag(r, self.servers))

    def _answer(self, head: h11.Request, body: bytes) -> Answer:
        answer = super()._answer(head, body)
        if self.refuses_with_200 and b'"error"' in answer.body:
            answer.status = 200
        return answer

    def peers(self) -> list[dict[str, Any]]:
        return [
            {"public_key": k["key"], "addresses": [f"{d['ipv4_address']}/32", f"{d['ipv6_address']}/128"]}
            for d in self.devices.values()
            for k in d["keys"]
        ]

    def add_device(self, public_key: str, name: str = "camel") -> dict[str, Any]:
        self._number += 1
        device = {
            "id": f"IJia{self._number}",
            "ipv4_address": f"10.0.1.{self._number}",
            "ipv4_netmask": 32,
            "ipv6_address": f"2a0e:1c80:1337:1:10:0:1:{self._number}",
            "ipv6_netmask": 128,
            "dns": ["10.0.0.1", "2a0e:1c80:1337:1:10::1"],
            "device_name": name,
            "keys": [{"key": public_key, "created_at": int(time.time())}],
        }
        self.devices[device["id"]] = device
        self.on_change()
        return device

    def _new_token(self, request: Request) -> Answer:
        body = request.json()
        if (body["username"], body["password"]) != (USER, PASSWORD):
            return Answer(401, {"status": "error", "message": "Unauthenticated."})
        value = secrets.token_hex(29)
        self.tokens[value] = f"tok{len(self.tokens)}"
        return Answer(
            200,
            {"status": "success", "data": {"id": self.tokens[value], "key": value, "created_at": int(time.time())}},
        )

    def _signed_in(self, request: Request) -> None:
        if request.bearer not in self.tokens:
            raise Answer(401, {"status": "error", "message": "Unauthenticated."})

    def _end_token(self, request: Request) -> Answer:
        self._signed_in(request)
        self.tokens = {k: i for k, i in self.tokens.items() if i != request.groups[0]}
        return Answer(200, {"status": "success"})

    def _me(self, request: Request) -> Answer:
        self._signed_in(request)
        user = {
            "username": USER,
            "is_active": self.expires > time.time(),
            "ips": {"allocated": len(self.devices), "available": self.limit},
            "expires_at": int(self.expires),
        }
        return Answer(200, {"status": "success", "data": user})

    def _ips(self, request: Request) -> Answer:
        self._signed_in(request)
        return Answer(200, {"status": "success", "data": list(self.devices.values())})

    def _new_ip(self, request: Request) -> Answer:
        self._signed_in(request)
        public_key = request.json()["key"]
        if len(self.devices) >= self.limit:
            return Answer(422, {"status": "error", "message": "You have reached the limit of IPs."})
        if any(p["public_key"] == public_key for p in self.peers()):
            return Answer(409, {"status": "error", "message": "The key is in use."})
        device = self.add_device(public_key, "gateway")
        return Answer(200, {"status": "success", "data": device} if self.wrapped else device)

    def _device(self, request: Request) -> dict[str, Any]:
        self._signed_in(request)
        if request.groups[0] not in self.devices:
            raise Answer(404, {"status": "error", "message": "Not found."})
        return self.devices[request.groups[0]]

    def _end_ip(self, request: Request) -> Answer:
        del self.devices[self._device(request)["id"]]
        self.on_change()
        return Answer(200, {"status": "success"})

    def _set_key(self, request: Request) -> Answer:
        device = self._device(request)
        device["keys"] = [{"key": request.json()["key"], "created_at": int(time.time())}]
        self.on_change()
        return Answer(200, {"status": "success", "data": device["keys"]})


if __name__ == "__main__":
    run(AzireVpn(), list_attribute="servers")
