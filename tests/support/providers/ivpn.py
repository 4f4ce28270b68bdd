"""IVPN's API: sessions, WireGuard keys, servers. ``python -m tests.support.providers.ivpn --port 443 --ca-dir DIR``."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

ACCOUNT = "i-AB12-CD34-EF56"


def host(hostname: str, address: str, public_key: str, **other: Any) -> dict[str, Any]:
    return {
        "hostname": hostname,
        "dns_name": hostname.replace(".wg.", ".gw."),
        "host": address,
        "public_key": public_key,
        "local_ip": "172.16.0.1/12",
        "ipv6": {"local_ip": "fd00:4956:504e:ffff::/96"},
        "load": 12.34,
        "multihop_port": 25601,
        "isp": "M247",
        **other,
    }


def server_list(*hosts: Any, country: str = "Sweden", city: str = "Stockholm", code: str = "SE") -> bytes:
    gateway = {"gateway": "se.wg.ivpn.net", "country_code": code, "country": country, "city": city, "hosts": hosts}
    config = {
        "api": {"ips": ["198.50.177.220", "149.56.162.156"], "ipv6s": ["2607:5300:203:1735::8888"]},
        "antitracker": {"default": {"ip": "10.0.254.2"}, "hardcore": {"ip": "10.0.254.3"}},
        "ports": {
            "wireguard": [
                {"type": "UDP", "port": 53},
                {"type": "UDP", "port": 2049},
                {"type": "UDP", "range": {"min": 5500, "max": 19999}},
                {"type": "TCP", "port": 80},
            ]
        },
    }
    return json.dumps({"wireguard": [gateway], "openvpn": [], "config": config}).encode()


DEFAULT_LIST = server_list(
    host("se1.wg.ivpn.net", "80.67.10.138", key(11)), host("se2.wg.ivpn.net", "80.67.10.139", key(12))
)


@dataclass
class Ivpn(StandIn):
    names: tuple[str, ...] = ("api.ivpn.net",)
    accounts: dict[str, float] = field(default_factory=lambda: {ACCOUNT: time.time() + 42 * 86400})
    limit: int = 7
    two_factor: str | None = None
    captcha: bool = False
    capabilities: list[str] | None = field(default_factory=lambda: ["multihop", "port-forwarding"])
    management_url: str | None = "https://www.ivpn.net/account/devices"
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)  # token -> account, keys, ip
    servers: bytes = DEFAULT_LIST
    _number: int = 0

    def __post_init__(self) -> None:
        self.route("POST", "/v4/session/new", self._new)
        self.route("POST", "/v4/session/status", self._status)
        self.route("POST", "/v4/session/delete", self._delete)
        self.route("POST", "/v4/session/wg/set", self._set)
        self.route("GET", "/v5/servers.json", lambda r: with_etag(r, self.servers))

    def peers(self) -> list[dict[str, Any]]:
        return [{"public_key": k, "addresses": [f"{s['ip']}/32"]} for s in self.sessions.values() for k in s["keys"]]

    def _service(self, account: str) -> dict[str, Any]:
        ends = self.accounts[account]
        found = {"is_active": ends > time.time(), "active_until": int(ends), "current_plan": "IVPN Pro"}
        return found if self.capabilities is None else {**found, "capabilities": self.capabilities}

    def _new(self, request: Request) -> Answer:
        body = request.json()
        account = body["username"]
        if self.captcha and not body["captcha"]:
            return _no(70001, "captcha required", captcha_id="c1", captcha_image="data:")
        if account not in self.accounts:
            return _no(401, "Invalid Credentials")
        if self.two_factor is not None and body["confirmation"] != self.two_factor:
            return _no(70011 if not body["confirmation"] else 70012, "two-factor")
        if self.accounts[account] <= time.time():
            return _no(702, "Account is not active")
        others = [t for t, s in self.sessions.items() if s["account"] == account]
        if len(others) >= self.limit:
            if body["force"] is not True:
                return _no(
                    602,
                    "session limit reached",
                    data={"limit": self.limit, "device_management_url": self.management_url, **self._service(account)},
                )
            for token in others:
                del self.sessions[token]
        if any(body["wg_public_key"] == p["public_key"] for p in self.peers()):
            return _no(422, "public key exists")
        token = f"ivpn_{secrets.token_hex(12)}"
        self._number += 1
        ip = f"172.23.248.{self._number}"
        self.sessions[token] = {"account": account, "keys": [body["wg_public_key"]], "ip": ip}
        self.on_change()
        return Answer(
            200,
            {
                "status": 200,
                "token": token,
                "vpn_username": "ivpnxxxx",
                "vpn_password": "x",
                "device_name": "Able Wolf",
                "service_status": self._service(account),
                "wireguard": {"status": 200, "ip_address": ip},
            },
        )

    def _session(self, request: Request) -> dict[str, Any]:
        session = self.sessions.get(request.json()["session_token"])
        if session is None:
            raise _no(601, "Session not found")
        return session

    def _status(self, request: Request) -> Answer:
        account = self._session(request)["account"]
        return Answer(200, {"status": 200, "service_status": self._service(account), "device_name": "Able Wolf"})

    def _delete(self, request: Request) -> Answer:
        self._session(request)
        del self.sessions[request.json()["session_token"]]
        self.on_change()
        return Answer(200, {"status": 200})

    def _set(self, request: Request) -> Answer:
        session, body = self._session(request), request.json()
        kept = [k for k in session["keys"] if k == body["connected_public_key"]]
        session["keys"] = [*kept, body["public_key"]]
        self.on_change()
        return Answer(200, {"status": 200, "ip_address": session["ip"]})


def _no(status: int, message: str, **other: Any) -> Answer:
    return Answer(400, {"status": status, "message": message, **other})


if __name__ == "__main__":
    run(Ivpn(), list_attribute="servers")
