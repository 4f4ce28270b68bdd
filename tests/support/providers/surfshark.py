"""Surfshark's API: login, keys that end, clusters. ``python -m tests.support.providers.surfshark --port 443 ...``."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

USER, PASSWORD = "someone@example.org", "correct horse battery"
KEY_LIFE = 7 * 86400.0


def cluster(name: str, public_key: str | None, **other: Any) -> dict[str, Any]:
    return {
        "connectionName": name,
        "country": "Sweden",
        "countryCode": "SE",
        "location": "Stockholm",
        "region": "Europe",
        "load": 14,
        "tags": ["p2p", "physical"],
        "coordinates": {"longitude": 18.0686, "latitude": 59.3293},
        "pubKey": public_key,
        **other,
    }


def server_list(*clusters: Any) -> bytes:
    return json.dumps(clusters).encode()


DEFAULT_LIST = server_list(
    cluster("se-sto.prod.surfshark.com", key(41)), cluster("no-osl.prod.surfshark.com", key(42), country="Norway")
)


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


@dataclass
class Surfshark(StandIn):
    names: tuple[str, ...] = ("api.surfshark.com", "ux.surfshark.com")
    expires: float = field(default_factory=lambda: time.time() + 42 * 86400)
    tokens: set[str] = field(default_factory=set)
    renewals: set[str] = field(default_factory=set)  # tokens for a new token
    ids: dict[str, str] = field(default_factory=dict)  # of a key -> the key
    keys: dict[str, float] = field(default_factory=dict)  # -> when it ends
    others: set[str] = field(default_factory=set)  # keys of other accounts
    servers: bytes = DEFAULT_LIST

    def __post_init__(self) -> None:
        self.route("POST", "/v1/auth/login", self._login)
        self.route("POST", "/v1/auth/renew", self._renew)
        self.route("GET", "/v1/account/users/public-keys", self._list)
        self.route("DELETE", "/v1/account/users/public-keys/([^/]+)", self._remove)
        self.route("GET", "/v1/payment/subscriptions/current", self._plan)
        self.route("POST", "/v1/account/users/public-keys", self._register)
        self.route("POST", "/v1/account/users/public-keys/validate", self._validate)
        self.route("GET", "/v4/server/clusters/generic", lambda r: with_etag(r, self.servers))

    def peers(self) -> list[dict[str, Any]]:
        return [{"public_key": k, "addresses": ["10.14.0.2/32"]} for k, ends in self.keys.items() if ends > time.time()]

    def _login(self, request: Request) -> Answer:
        body = request.json()
        if (body["username"], body["password"]) != (USER, PASSWORD):
            return Answer(401, {"code": 401, "message": "Bad credentials."})
        return self._new_token()

    def _new_token(self) -> Answer:
        token, renewal = f"eyJ{secrets.token_hex(20)}", f"eyJ{secrets.token_hex(20)}"
        self.tokens.add(token)
        self.renewals.add(renewal)
        return Answer(200, {"token": token, "renewToken": renewal})

    def _renew(self, request: Request) -> Answer:
        if request.bearer not in self.renewals:
            return Answer(401, {"code": 401, "message": "Invalid JWT Token"})
        self.renewals.discard(request.bearer)
        return self._new_token()

    def _list(self, request: Request) -> Answer:
        self._signed_in(request)
        return Answer(200, [{"id": i, "pubKey": k, "expiresAt": stamp(self.keys[k])} for i, k in self.ids.items()])

    def _remove(self, request: Request) -> Answer:
        self._signed_in(request)
        public_key = self.ids.pop(request.groups[0], None)
        if public_key is None:
            return Answer(404, {"message": "Not found"})
        del self.keys[public_key]
        self.on_change()
        return Answer(200, {})

    def _signed_in(self, request: Request) -> None:
        if request.bearer not in self.tokens:
            raise Answer(401, {"code": 401, "message": "Expired JWT Token"})

    def _plan(self, request: Request) -> Answer:
        self._signed_in(request)
        return Answer(200, {"name": "24 months", "expiresAt": stamp(self.expires)})

    def _register(self, request: Request) -> Answer:
        self._signed_in(request)
        public_key = request.json()["pubKey"]
        if public_key in self.keys or public_key in self.others:
            return Answer(409, {"message": "Public key already exists"})
        return self._alive(public_key, 201)

    def _validate(self, request: Request) -> Answer:
        self._signed_in(request)
        public_key = request.json()["pubKey"]
        if self.keys.get(public_key, 0) <= time.time():
            return Answer(404, {"message": "Not found"})
        return self._alive(public_key, 200)

    def _alive(self, public_key: str, status: int) -> Answer:
        self.keys[public_key] = time.time() + KEY_LIFE
        key_id = next((i for i, k in self.ids.items() if k == public_key), secrets.token_hex(4))
        self.ids[key_id] = public_key
        self.on_change()
        return Answer(status, {"expiresAt": stamp(self.keys[public_key]), "pubKey": public_key, "id": key_id})


if __name__ == "__main__":
    run(Surfshark(), list_attribute="servers")
