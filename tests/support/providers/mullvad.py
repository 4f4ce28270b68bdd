"""Mullvad's API: accounts, devices, relays. ``python -m tests.support.providers.mullvad --port 443 --ca-dir DIR``."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn, run, with_etag

ACCOUNT = "1234123412341234"


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def relay(hostname: str, ipv4: str, public_key: str, **other: Any) -> dict[str, Any]:
    return {
        "hostname": hostname,
        "location": hostname[:6],
        "active": True,
        "owned": True,
        "provider": "31173",
        "stboot": True,
        "ipv4_addr_in": ipv4,
        "include_in_country": True,
        "weight": 100,
        "public_key": public_key,
        **other,
    }


def relay_list(*relays: Any, **other: Any) -> bytes:
    places = {
        "se-sto": ("Sweden", "Stockholm", 59.33, 18.06),
        "se-got": ("Sweden", "Gothenburg", 57.7, 11.97),
        "de-ber": ("Germany", "Berlin", 52.52, 13.4),
    }
    names = ("country", "city", "latitude", "longitude")
    document = {
        "locations": {code: dict(zip(names, values, strict=True)) for code, values in places.items()},
        "wireguard": {
            "relays": relays,
            "port_ranges": [[53, 53], [4000, 33433], [33565, 51820], [52000, 60000]],
            "ipv4_gateway": "10.64.0.1",
            "ipv6_gateway": "fc00:bbbb:bbbb:bb01::1",
        },
        "openvpn": {"relays": [], "ports": []},
        "bridge": {"relays": [], "shadowsocks": []},
        **other,
    }
    return json.dumps(document).encode()


DEFAULT_LIST = relay_list(
    relay("se-sto-wg-001", "185.195.233.76", key(1001), ipv6_addr_in="2a03:1b20:4:f011::a01f", daita=True),
    relay("se-sto-wg-002", "185.195.233.77", key(1002)),
    relay("se-got-wg-001", "185.213.154.66", key(1003), ipv6_addr_in="2a03:1b20:5:f011::a01f"),
    relay("de-ber-wg-001", "193.32.248.66", key(1004), owned=False, provider="M247"),
)
DEFAULT_WWW = json.dumps(
    [
        {"hostname": "se-sto-wg-001", "multihop_port": 3001, "socks_name": "x", "network_port_speed": 10},
        {"hostname": "se-got-wg-001", "multihop_port": 3003},
        {"hostname": "de-ber-wg-001", "multihop_port": 3004},
    ]
).encode()


@dataclass
class Mullvad(StandIn):
    names: tuple[str, ...] = ("api.mullvad.net",)
    accounts: dict[str, float] = field(default_factory=lambda: {ACCOUNT: time.time() + 42 * 86400})  # -> expiry
    max_devices: int = 5
    devices: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by account
    relays: bytes = DEFAULT_LIST
    www: bytes = DEFAULT_WWW
    lose_answer_of: str | None = None  # "POST /path": done, and then the answer is an error
    _tokens: dict[str, str] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self.route("POST", "/auth/v1/token", self._token)
        self.route("GET", "/accounts/v1/accounts/me", self._me)
        self.route("GET", "/accounts/v1/devices", self._list)
        self.route("POST", "/accounts/v1/devices", self._create)
        self.route("PUT", "/accounts/v1/devices/([^/]+)/pubkey", self._replace)
        self.route("DELETE", "/accounts/v1/devices/([^/]+)", self._delete)
        self.route("GET", "/app/v1/relays", lambda r: with_etag(r, self.relays, weak=True))
        self.route("GET", "/www/relays/wireguard/", lambda _: Answer(200, self.www))

    def peers(self) -> list[dict[str, Any]]:
        """Every registered key with its addresses, of accounts that are paid for: what the VPN servers would know."""
        return [
            {"public_key": d["pubkey"], "addresses": [d["ipv4_address"], d["ipv6_address"]]}
            for account, devices in self.devices.items()
            if self.accounts.get(account, 0) > time.time()
            for d in devices
        ]

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    def revoke_devices(self) -> None:
        """Remove all devices of all accounts."""
        self.devices.clear()
        self.on_change()

    @property
    def expired(self) -> bool:
        return False

    @expired.setter
    def expired(self, value: bool) -> None:
        """All accounts ran out an hour ago (or, False, have a month)."""
        self.accounts = dict.fromkeys(self.accounts, time.time() + (-3600 if value else 30 * 86400))
        self.on_change()

    def add_device(self, account: str, public_key: str, name: str | None = None) -> dict[str, Any]:
        self._number += 1
        device = {
            "id": f"00000000-0000-4000-8000-{self._number:012d}",
            "name": name or f"happy seal {self._number}",
            "pubkey": public_key,
            "hijack_dns": False,
            "created": stamp(time.time()),
            "ipv4_address": f"10.66.{self._number // 250}.{self._number % 250 + 2}/32",
            "ipv6_address": f"fc00:bbbb:bbbb:bb01::3:{self._number:x}/128",
        }
        self.devices.setdefault(account, []).append(device)
        self.on_change()
        return device

    def _token(self, request: Request) -> Answer:
        number = request.json()["account_number"]
        if number not in self.accounts:
            raise _problem(400, "INVALID_ACCOUNT", "Invalid account")
        token = f"mva_{secrets.token_hex(16)}"
        self._tokens[token] = number
        return Answer(200, {"access_token": token, "expiry": stamp(time.time() + 86400)})

    def _account(self, request: Request) -> str:
        account = self._tokens.get(request.bearer or "")
        if account is None:
            raise Answer(401, {"code": "INVALID_ACCESS_TOKEN", "detail": "Invalid access token"})
        return account

    def _me(self, request: Request) -> Answer:
        account = self._account(request)
        room = len(self.devices.get(account, [])) < self.max_devices
        return Answer(
            200,
            {
                "id": "01234567-89ab-cdef-0123-456789abcdef",
                "expiry": stamp(self.accounts[account]),
                "max_devices": self.max_devices,
                "can_add_devices": room,
            },
        )

    def _list(self, request: Request) -> Answer:
        return Answer(200, self.devices.get(self._account(request), []))

    def _check_key(self, public_key: str) -> None:
        if len(base64.b64decode(public_key, validate=True)) != 32:
            raise Answer(400, {"code": "INVALID_PUBKEY"})
        if any(p["public_key"] == public_key for p in self.peers()):
            raise Answer(400, {"code": "PUBKEY_IN_USE", "detail": "Public key in use"})

    def _create(self, request: Request) -> Answer:
        account, body = self._account(request), request.json()
        assert body["hijack_dns"] is False
        self._check_key(body["pubkey"])
        if len(self.devices.get(account, [])) >= self.max_devices:
            detail = "This account already has the maximum number of devices."
            raise _problem(400, "MAX_DEVICES_REACHED", detail)
        return self._perhaps(request, Answer(201, self.add_device(account, body["pubkey"])))

    def _device(self, request: Request) -> tuple[str, dict[str, Any]]:
        account = self._account(request)
        for device in self.devices.get(account, []):
            if device["id"] == request.groups[0]:
                return account, device
        raise _problem(404, "DEVICE_NOT_FOUND", "Device not found")

    def _replace(self, request: Request) -> Answer:
        _, device = self._device(request)
        public_key = request.json()["pubkey"]
        self._check_key(public_key)
        device["pubkey"] = public_key
        self.on_change()
        return self._perhaps(request, Answer(200, device))

    def _delete(self, request: Request) -> Answer:
        account, device = self._device(request)
        self.devices[account].remove(device)
        self.on_change()
        return Answer(204)

    def _perhaps(self, request: Request, answer: Answer) -> Answer:
        if self.lose_answer_of is not None and f"{request.method} {request.path}".startswith(self.lose_answer_of):
            self.lose_answer_of = None
            return Answer(502, {})
        return answer


def _problem(status: int, code: str, detail: str) -> Answer:
    """A refusal as the endpoints that have moved to RFC 9457 write it."""
    return Answer(status, {"type": code, "detail": detail}, {"content-type": "application/problem+json"})


if __name__ == "__main__":
    run(Mullvad(), list_attribute="relays")
