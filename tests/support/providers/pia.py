"""PIA: a token, a server list, and a server that takes keys. ``python -m tests.support.providers.pia --port 443 ...``.

One stand-in plays all three; on the Internet they are apart.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

USER, PASSWORD = "p1234567", "correct horse battery"
SIGNATURE = b"\n\nc2lnbmF0dXJl\n"  # below the first line


def region(name: str, address: str, cn: str, /, **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": "SE Stockholm",
        "country": "SE",
        "auto_region": True,
        "dns": f"{name}.privacy.network",
        "port_forward": True,
        "geo": False,
        "offline": False,
        "servers": {"ovpnudp": [{"ip": address, "cn": cn}], "wg": [{"ip": address, "cn": cn}]},
        **other,
    }


def server_list(*regions: Any) -> bytes:
    groups = {"wg": [{"name": "wireguard", "ports": [1337]}]}
    return json.dumps({"groups": groups, "regions": regions}).encode() + SIGNATURE


DEFAULT_LIST = server_list(
    region("se_stockholm", "195.246.120.33", "stockholm402"), region("se-streaming", "195.246.120.34", "stockholm403")
)


@dataclass
class Pia(StandIn):
    names: tuple[str, ...] = (
        "www.privateinternetaccess.com",
        "serverlist.piaservers.net",
        "stockholm402",
        "stockholm403",
    )
    tokens: dict[str, float] = field(default_factory=dict)  # -> when it ends
    keys: dict[str, str] = field(default_factory=dict)  # -> address in the tunnel
    expires: float = field(default_factory=lambda: time.time() + 42 * 86400)
    limited: bool = False  # whether a second token within a minute is answered with 429
    authority: bytes = b""  # what is published as ca.rsa.4096.crt
    other_address: bool = True  # whether a server names another of its addresses than the one asked
    refuse_keys: bool = False
    added: dict[str, Any] = field(default_factory=dict)  # in place of what addKey answers
    servers: bytes = DEFAULT_LIST

    def __post_init__(self) -> None:
        self.route("POST", "/api/client/v2/token", self._token)
        self.route("GET", "/vpninfo/servers/v6", lambda r: with_etag(r, self.servers))
        self.route("GET", "/addKey", self._add_key)
        self.route("GET", "/api/client/v2/account", self._account)
        self.route("POST", "/api/client/v2/expire_token", self._expire_token)
        self.route("GET", "/openvpn/ca.rsa.4096.crt", self._published)

    def peers(self) -> list[dict[str, Any]]:
        return [{"public_key": k, "addresses": [f"{a}/32"]} for k, a in self.keys.items()]

    def _token(self, request: Request) -> Answer:
        if request.form() != {"username": USER, "password": PASSWORD}:
            return Answer(401, {"message": "authentication failed"})
        if self.expires <= time.time():
            return Answer(402, {})
        if self.limited and self.count("POST", "/api/client/v2/token") > 1:
            return Answer(429, {}, {"retry-after": "60"})
        token = secrets.token_hex(64)
        self.tokens[token] = time.time() + 86400
        return Answer(200, {"token": token})

    def _signed_in(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Token" or self.tokens.get(token, 0) <= time.time():
            raise Answer(401, {"message": "HTTP Token: Access denied."})
        return token

    def _account(self, request: Request) -> Answer:
        self._signed_in(request)
        expired = self.expires <= time.time()
        return Answer(200, {"active": not expired, "expired": expired, "expiration_time": int(self.expires)})

    def _expire_token(self, request: Request) -> Answer:
        del self.tokens[self._signed_in(request)]
        return Answer(200, {"status": "success"})

    def _published(self, _: Request) -> Answer:
        return (
            Answer(200, self.authority, {"content-type": "application/x-x509-ca-cert"})
            if self.authority
            else Answer(404)
        )

    def _add_key(self, request: Request) -> Answer:
        if self.tokens.get(request.query["pt"], 0) <= time.time():
            return Answer(200, {"status": "ERROR", "message": "Login failed!"})
        if self.refuse_keys:
            return Answer(200, {"status": "ERROR", "message": "no"})
        public_key = request.query["pubkey"]
        address = self.keys.setdefault(public_key, f"10.13.128.{len(self.keys) + 2}")
        self.on_change()
        answer = {
            "status": "OK",
            "server_key": key(51),
            "server_port": 1337,
            "server_ip": "195.246.120.99" if self.other_address else "195.246.120.33",
            "server_vip": "10.13.128.1",
            "peer_ip": address,
            "peer_pubkey": public_key,
            "dns_servers": ["10.0.0.243", "10.0.0.242"],
        }
        return Answer(200, {**answer, **self.added})


if __name__ == "__main__":
    run(Pia(), list_attribute="servers")
