"""The paths, methods, fields and messages of the API reference."""

from __future__ import annotations

import re

import msgspec
import pytest

from app.api.status import uptime_text
from app.errors import UnavailableError
from app.protocol.status import Attestation, ExitState, ExitStatus
from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.unit.api.conftest import Call, assert_error

STATUS_FIELDS = {"connected", "provider", "server", "ip", "location", "uptime", "killswitch_active"}


def test_status_disconnected(call: Call) -> None:
    body = call("GET", "/api/status").json()
    assert set(body) >= STATUS_FIELDS
    assert body["connected"] is False
    assert body["provider"] == "mullvad"
    assert [body[k] for k in ("server", "ip", "location", "uptime", "uptime_seconds")] == [None] * 5
    assert body["killswitch_active"] is True
    assert body["state"] == "disconnected"
    assert body["wan"]["addresses"] == ["203.0.113.7/24"]
    assert body["drops"] == {"blocked": 11, "spoofed": 1}


def test_status_connected(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    connected = ExitStatus(
        "default",
        ExitState.CONNECTED,
        server="se-sto-wg-001",
        provider="mullvad",
        location="Stockholm, Sweden",
        ip="185.65.134.123",
        uptime=2 * 3600 + 34 * 60 + 5,
    )
    server.run(lambda: gateway.set_exit(connected))
    body = call("GET", "/api/status").json()
    assert {k: body[k] for k in STATUS_FIELDS} == {
        "connected": True,
        "provider": "mullvad",
        "server": "se-sto-wg-001",
        "ip": "185.65.134.123",
        "location": "Stockholm, Sweden",
        "uptime": "2h 34m",
        "killswitch_active": True,
    }


def test_status_blocked_tells_why_and_shows_no_server(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    blocked = ExitStatus(
        "default",
        ExitState.BLOCKED,
        server="vpn-se",
        provider="custom",
        location="Stockholm, Sweden",
        reason="handshake_timeout",
        message="vpn-se does not answer; trying again",
        retry_in=7.5,
    )
    server.run(lambda: gateway.set_exit(blocked))
    body = call("GET", "/api/status").json()
    assert (body["connected"], body["server"], body["location"], body["uptime"]) == (False, None, None, None)
    assert (body["reason"], body["retry_in"], body["target"]) == ("handshake_timeout", 7.5, "vpn-se")


def test_kill_switch_is_the_attested_one(gateway: FakeGateway, call: Call) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, attestation=Attestation(ok=False, drift=("rule missing",)))
    assert call("GET", "/api/status").json()["killswitch_active"] is False


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0h 0m"), (59.9, "0h 0m"), (9240, "2h 34m"), (360_000, "100h 0m"), (-1, "0h 0m")]
)
def test_uptime(seconds: float, text: str) -> None:
    assert uptime_text(seconds) == text


def test_providers(call: Call) -> None:
    assert call("GET", "/api/providers").json() == {
        "providers": ["mullvad", "custom", "imported"],
        "current": "mullvad",
    }


def test_provider_switch(call: Call) -> None:
    answer = call("POST", "/api/provider/custom")
    assert answer.json() == {"success": True, "provider": "custom"}
    assert call("GET", "/api/providers").json()["current"] == "custom"
    assert_error(call("POST", "/api/provider/nobody"), 404, "not_found", "provider")


def test_servers_are_grouped_by_country_and_city(call: Call) -> None:
    body = call("GET", "/api/servers").json()
    assert body["provider"] == "mullvad"
    assert list(body["servers"]) == ["Germany", "Sweden"]
    assert list(body["servers"]["Sweden"]) == ["Gothenburg", "Stockholm"]
    first = body["servers"]["Sweden"]["Stockholm"][0]
    assert {k: first[k] for k in ("hostname", "ipv4", "type", "provider")} == {
        "hostname": "se-sto-wg-001",
        "ipv4": "192.0.2.1",
        "type": "WireGuard",
        "provider": "Mullvad",
    }


def test_servers_of_another_provider(call: Call) -> None:
    body = call("GET", "/api/servers?provider=custom").json()
    assert body["provider"] == "custom"
    assert body["servers"]["Sweden"]["Stockholm"][0]["hostname"] == "vpn-se"
    assert_error(call("GET", "/api/servers?provider=nobody"), 404, "not_found", "provider")


def test_connect_and_disconnect(call: Call) -> None:
    assert call("POST", "/api/connect", json={"server": "se-sto-wg-001"}).json() == {"success": True}
    assert call("GET", "/api/status").json()["connected"] is True
    answer = call("POST", "/api/disconnect")
    assert answer.json() == {"success": True, "message": "Disconnected - No internet (killswitch active)"}
    assert call("GET", "/api/status").json()["connected"] is False


def test_disconnect_of_an_exit(gateway: FakeGateway, call: Call) -> None:
    for sent, exit_name in (({}, "default"), ({"json": {}}, "default"), ({"json": {"exit": "de"}}, "de")):
        assert call("POST", "/api/disconnect", **sent).status_code == 200
        assert gateway.commands[-1].exit == exit_name  # type: ignore[union-attr]
    nothing = {"headers": {"Content-Type": "application/json"}}  # as fetch() sends it without a body
    assert call("POST", "/api/disconnect", **nothing).status_code == 200
    assert_error(call("POST", "/api/disconnect", json={"exti": "de"}), 422, "unknown_field", "exti")


def test_connect_to_a_server_of_a_named_provider(call: Call) -> None:
    assert call("POST", "/api/connect", json={"server": "vpn-se", "provider": "custom"}).json()["success"] is True
    assert call("GET", "/api/status").json()["provider"] == "custom"


CUSTOM = {
    "name": "my-vps",
    "endpoint": "1.2.3.4:51820",
    "public_key": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=",
    "private_key": "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy=",
    "address": "10.0.0.2/32",
    "dns": "1.1.1.1,1.0.0.1",
    "allowed_ips": "0.0.0.0/0,::/0",
    "location": "Germany",
}


def test_custom_add_and_remove(gateway: FakeGateway, call: Call) -> None:
    assert call("POST", "/api/custom/add", json=CUSTOM).json()["success"] is True
    sent = msgspec.structs.asdict(gateway.commands[-1])
    assert {k: sent[k] for k in CUSTOM} == CUSTOM
    assert_error(call("POST", "/api/custom/add", json=CUSTOM), 409, "name_in_use", "name")
    assert call("DELETE", "/api/custom/remove/my-vps").json() == {"success": True}
    assert_error(call("DELETE", "/api/custom/remove/my-vps"), 404, "not_found", "name")


def test_custom_add_with_only_what_the_curl_example_sends(call: Call) -> None:
    body = {"name": "my-server", "endpoint": "1.2.3.4:51820", "public_key": "xxx..."}
    assert call("POST", "/api/custom/add", json=body).json()["success"] is True


def test_import(gateway: FakeGateway, call: Call) -> None:
    config = "[Interface]\nPrivateKey = xxx\n"
    assert call("POST", "/api/import", json={"name": "imported-config", "config": config}).json()["success"] is True
    assert gateway.commands[-1].config == config  # type: ignore[union-attr]
    answer = call("POST", "/api/import", json={"name": "other", "config": "garbage"})
    assert "line 1" in assert_error(answer, 422, "invalid_field", "config")["error"]


def test_import_of_a_file_under_a_name_made_of_its_own(gateway: FakeGateway, call: Call) -> None:
    config = "[Interface]\nPrivateKey = xxx\n"
    answer = call("POST", "/api/import", json={"file": "berlin (1).conf", "config": config}).json()
    assert (answer["success"], answer["server"]) == (True, "berlin 1")
    chosen = {"name": "berlin (1)", "config": config}
    assert_error(call("POST", "/api/import", json=chosen), 422, "invalid_field", "name")
    assert_error(call("POST", "/api/import", json={"config": config}), 422, "missing_field", "name")
    both = {"name": "a", "file": "a.conf", "config": config}
    assert_error(call("POST", "/api/import", json=both), 422, "invalid_field", "file")


def test_keypair(call: Call) -> None:
    answer = call("GET", "/api/keypair")
    assert answer.json() == {"private_key": "cHJpdmF0ZQ==", "public_key": "cHVibGlj"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_health(gateway: FakeGateway, call: Call) -> None:
    answer = call("GET", "/health")
    assert (answer.status_code, answer.text) == (200, "healthy")
    assert answer.headers["Content-Type"].startswith("text/plain")
    gateway.away = True
    answer = call("GET", "/health")
    assert answer.status_code == 503
    assert re.match("unhealthy: .*not running", answer.text)


def test_without_netd_every_operation_says_so(gateway: FakeGateway, call: Call) -> None:
    gateway.away = True
    for method, path in (("GET", "/api/status"), ("GET", "/api/servers"), ("POST", "/api/disconnect")):
        answer = call(method, path)
        assert_error(answer, 503, UnavailableError.code)
        assert answer.headers["Retry-After"]


@pytest.mark.owned
def test_devices_leases_and_policies(gateway: FakeGateway, call: Call) -> None:
    body = call("GET", "/api/devices").json()
    assert body["default_policy"] == "vpn"
    assert [(d["mac"], d["name"], d["hostname"], d["policy"], d["own_policy"]) for d in body["devices"]] == [
        ("02:00:00:00:00:01", "Telly", None, "vpn", True),
        ("02:00:00:00:00:02", None, "phone", "vpn", False),
    ]
    assert call("GET", "/api/leases").json()["leases"][0]["address"] == "192.168.77.21"
    for text in ("direct", "blocked", "vpn:de", "vpn"):
        answer = call("PUT", "/api/devices/02-00-00-00-00-0A/policy", json={"policy": text, "password": PASSWORD})
        assert answer.json() == {"success": True}
        assert gateway.commands[-1].mac == "02:00:00:00:00:0a"  # type: ignore[union-attr]
        shown = {d["mac"]: d["policy"] for d in call("GET", "/api/devices").json()["devices"]}
        assert shown["02:00:00:00:00:0a"] == text
    for text in ("", "vpn:", "open", "direct:de", "VPN"):
        answer = call("PUT", "/api/devices/02:00:00:00:00:01/policy", json={"policy": text})
        assert_error(answer, 422, "invalid_field", "policy")
    assert_error(call("PUT", "/api/devices/nonsense/policy", json={"policy": "vpn"}), 422, "invalid_field", "mac")
