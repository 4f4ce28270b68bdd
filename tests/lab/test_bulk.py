"""All or none, for real: what a bulk request did before it failed is undone, and nothing leaks meanwhile."""

from __future__ import annotations

import json

import pytest

from app import keys
from ci.labnet import Lab
from ci.labnet.lab import wait_for
from tests.lab.leakwatch import LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

TV = "02:00:00:00:00:13"


def config() -> str:
    return (
        f"[Interface]\nPrivateKey = {keys.generate().private_key.reveal()}\nAddress = 10.0.0.2/32\n"
        f"[Peer]\nPublicKey = {keys.generate().public_key}\nEndpoint = 198.51.100.99:51820\nAllowedIPs = 0.0.0.0/0\n"
    )


def state(lab: Lab) -> dict[str, object]:
    now = lab.api("GET", "/api/status")
    devices = lab.api("GET", "/api/devices")["devices"]
    return {
        "server": now["server"],
        "since": now["since"],
        "provider": now["current_provider"],
        "policies": {d["mac"]: d["policy"] for d in devices},
        "custom": lab.api("GET", "/api/servers?provider=custom")["servers"],
        "imported": lab.api("GET", "/api/servers?provider=imported")["servers"],
        "settings": lab.api("GET", "/api/settings")["failover"],
        "files": {f: (lab.state_dir / f).read_bytes() for f in ("servers.json", "secrets.json")},
    }


def test_a_failure_at_the_end_undoes_all_of_it(lab: Lab) -> None:
    lab.api("POST", "/api/provider/custom")
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    before = state(lab)
    operations = [
        {"op": "import_config", "name": "bulk-1", "config": config()},
        {"op": "set_device_policy", "mac": TV, "policy": "blocked"},
        {"op": "change_settings", "settings": {"failover": {"scope": "anywhere"}}},
        {"op": "connect", "server": "vpn-de"},
        {"op": "remove_custom_server", "name": "nobody"},
    ]
    with LeakWatch(lab) as watch:
        status, content = lab.request("POST", "/api/bulk", {"operations": operations})
        body = json.loads(content)
        assert (status, body["field"], body["code"]) == (404, "operations[4].name", "not_found")
        wait_for("vpn-se again", lambda: lab.api("GET", "/api/status")["server"] == "vpn-se")
    assert watch.leaks == [], dump(watch.leaks)
    after = state(lab)
    after["since"] = before["since"]  # it was left and come back to
    assert after == before


def test_all_of_it_is_done_and_lasts(lab: Lab) -> None:
    lab.api("POST", "/api/provider/custom")
    answer = lab.api(
        "POST",
        "/api/bulk",
        {
            "operations": [
                {"op": "import_config", "name": "bulk-2", "config": config()},
                {"op": "set_device_policy", "mac": TV, "policy": "blocked"},
                {"op": "connect", "server": "vpn-de"},
            ]
        },
    )
    assert answer["success"], answer
    lab.restart_app()
    assert "bulk-2" in str(lab.api("GET", "/api/servers?provider=imported"))
    assert lab.api("GET", "/api/status")["server"] == "vpn-de"
    policies = {d["mac"]: d["policy"] for d in lab.api("GET", "/api/devices")["devices"]}
    assert policies[TV] == "blocked"
    undo = [
        {"op": "set_device_policy", "mac": TV, "policy": "vpn"},
        {"op": "remove_custom_server", "name": "bulk-2"},
        {"op": "disconnect"},
    ]
    assert lab.api("POST", "/api/bulk", {"operations": undo})["success"]
