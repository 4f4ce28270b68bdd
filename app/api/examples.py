"""The examples of the API contract (docs/api.md), word for word, by operation: requests and answers."""

from __future__ import annotations

from typing import Any

_KEY_X = "x" * 45 + "="
_KEY_Y = "y" * 45 + "="
_SUCCESS = {"success": True}

REQUESTS: dict[tuple[str, str], Any] = {
    ("POST", "/api/connect"): {"server": "se-sto-wg-001"},
    ("POST", "/api/custom/add"): {
        "name": "my-vps",
        "endpoint": "1.2.3.4:51820",
        "public_key": _KEY_X,
        "private_key": _KEY_Y,
        "address": "10.0.0.2/32",
        "dns": "1.1.1.1,1.0.0.1",
        "allowed_ips": "0.0.0.0/0,::/0",
        "location": "Germany",
    },
    ("POST", "/api/providers/{name}/login"): {"credentials": {"account_number": "1234123412341234"}},
    ("POST", "/api/import"): {"name": "imported-config", "config": "[Interface]\nPrivateKey = xxx\n..."},
}

ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/api/status"): {
        "connected": True,
        "provider": "mullvad",
        "server": "se-sto-wg-001",
        "ip": "185.65.134.123",
        "location": "Stockholm, Sweden",
        "uptime": "2h 34m",
        "killswitch_active": True,
    },
    ("GET", "/api/providers"): {"providers": ["mullvad", "custom", "imported"], "current": "mullvad"},
    ("POST", "/api/provider/{provider}"): {"success": True, "provider": "custom"},
    ("GET", "/api/servers"): {
        "servers": {
            "Sweden": {
                "Stockholm": [
                    {
                        "hostname": "se-sto-wg-001",
                        "ipv4": "185.65.134.123",
                        "type": "WireGuard",
                        "provider": "Mullvad",
                    }
                ]
            }
        },
        "provider": "mullvad",
    },
    ("POST", "/api/connect"): _SUCCESS,
    ("POST", "/api/disconnect"): {
        "success": True,
        "message": "Disconnected - No internet (killswitch active)",
    },
    ("POST", "/api/custom/add"): _SUCCESS,
    ("DELETE", "/api/custom/remove/{name}"): _SUCCESS,
    ("POST", "/api/import"): _SUCCESS,
    ("GET", "/api/keypair"): {"private_key": _KEY_X, "public_key": _KEY_Y},
    ("GET", "/health"): "healthy",
}

ERROR = {"success": False, "error": "Error message here"}
