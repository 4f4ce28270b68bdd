"""A restore under traffic: all comes back as it was, nothing leaves in the clear, and a bad file changes nothing."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from app.store import age
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

PASSPHRASE = "correct horse battery staple"


ACCEPT = ["direct", "default_policy", "exit_check", "roles"]


@pytest.fixture(autouse=True)
def no_exit_check(lab: Lab) -> None:
    """The lab's own has no TLS, with which no restore would take it."""
    assert lab.api("PATCH", "/api/settings", {"exit_check_url": None})


def connect(lab: Lab, server: str) -> None:
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def policy(lab: Lab, host: str, text: str, name: str | None = None) -> None:
    body = {"policy": text, "name": name, "password": PASSWORD}
    assert lab.api("PUT", f"/api/devices/{LAN_HOSTS[host]}/policy", body)["success"]


def policies(lab: Lab) -> dict[str, str]:
    return {d["mac"]: d["policy"] for d in lab.api("GET", "/api/devices")["devices"]}


def backup(lab: Lab) -> bytes:
    status, data = lab.api.request("POST", "/api/backup", {"passphrase": PASSPHRASE, "password": PASSWORD})
    assert status == 200, data
    return data


def restore(lab: Lab, data: bytes, passphrase: str = PASSPHRASE, **more: object) -> dict:
    body = {
        "backup": base64.b64encode(data).decode(),
        "passphrase": passphrase,
        "password": PASSWORD,
        "accept": ACCEPT,
    }
    return lab.api("POST", "/api/restore", body | more)


def changed(data: bytes, change) -> bytes:
    """The backup with ``change(document)`` made to it, as an owner of the passphrase could."""
    document = json.loads(age.decrypt(data, PASSPHRASE))
    change(document)
    return age.encrypt(json.dumps(document).encode(), PASSPHRASE)


def settings_changed(data: bytes, **values: object) -> bytes:
    def change(document: dict) -> None:
        file = document["files"]["settings.json"]
        content = json.loads(file["content"])
        for name in values:
            assert name in content["settings"]
        content["settings"] |= values
        file["content"] = json.dumps(content)
        file["sha256"] = hashlib.sha256(file["content"].encode()).hexdigest()

    return changed(data, change)


def back(lab: Lab, server: str) -> None:
    """Wait until netd has restarted and connected as the backup says."""
    wait_for(
        f"{server} after the restore",
        lambda: (now := lab.api("GET", "/api/status")).get("connected") and now["server"] == server,
        40,
    )
    wait_for(
        "the LAN to come out there",
        lambda: lab.hosts.http("laptop", f"http://{INTERNET4}/", check=False, timeout=2) == VPNS[server][0],
    )


def test_restore_under_traffic_leaks_nothing(lab, capsys):
    connect(lab, "vpn-se")
    policy(lab, "tv", "blocked", "Telly")
    first = backup(lab)
    second = settings_changed(first, exits=["default"], desired={"default": "custom/vpn-de"}, devices=[])
    with LeakWatch(lab) as watch:
        for before in ("vpn-de", None, "vpn-se"):
            policy(lab, "tv", "vpn")
            connect(lab, before) if before else lab.api("POST", "/api/disconnect")
            answer = restore(lab, first)
            assert (answer["success"], answer["servers"]) == (True, 2), answer
            back(lab, "vpn-se")
            assert policies(lab)[LAN_HOSTS["tv"]] == "blocked"
            assert lab.hosts.http("tv", f"http://{INTERNET4}/", check=False, timeout=1) == ""
        # Another number of exits, another server, no device of its own.
        assert restore(lab, second)["success"]
        back(lab, "vpn-de")
        assert [e["name"] for e in lab.api("GET", "/api/status")["exits"]] == ["default"]
        assert policies(lab)[LAN_HOSTS["tv"]] == "vpn"
        assert restore(lab, first)["success"]
        back(lab, "vpn-se")
        # Cut off in the middle: the next start has all of it.
        assert restore(lab, second)["success"]
        lab.gateway.kill_app("netd")
        back(lab, "vpn-de")
        assert restore(lab, first)["success"]
        back(lab, "vpn-se")
    with capsys.disabled():
        print(f"\n  seven restores: {dict(watch.counts)}")
    assert watch.counts["from the gateway"] > 0
    assert watch.leaks == [], dump(watch.leaks)
    causes = [r["cause"] for r in lab.api("GET", "/api/history?limit=200")["history"]]
    assert "restored" in causes
    assert "resumed" in causes
    assert "internal error" not in lab.gateway.logs()


def test_a_file_that_cannot_be_used_changes_nothing(lab):
    connect(lab, "vpn-se")
    data = backup(lab)
    connect(lab, "vpn-de")
    before = lab.api("GET", "/api/status")
    files = {p.name: p.read_bytes() for p in lab.gateway.state_dir.glob("*.json")}

    def newer(document: dict) -> None:
        document["version"] += 1

    for bad, passphrase, status, code, field in [
        (data, "another passphrase", 422, "wrong_passphrase", "passphrase"),
        (data[:-1], PASSPHRASE, 422, "damaged_backup", "backup"),
        (bytes([*data[:-20], data[-20] ^ 1, *data[-19:]]), PASSPHRASE, 422, "damaged_backup", "backup"),
        (b"no backup", PASSPHRASE, 422, "damaged_backup", "backup"),
        (changed(data, newer), PASSPHRASE, 422, "newer_backup", "backup"),
        (settings_changed(data, exits=[]), PASSPHRASE, 422, "invalid_backup", "backup"),
        (settings_changed(data, desired={"nowhere": "custom/vpn-se"}), PASSPHRASE, 422, "invalid_backup", "backup"),
    ]:
        body = {"backup": base64.b64encode(bad).decode(), "passphrase": passphrase, "password": PASSWORD}
        got, text = lab.api.request("POST", "/api/restore", body)
        answer = json.loads(text)
        assert (got, answer["success"], answer["code"], answer.get("field")) == (status, False, code, field), answer
    assert restore(lab, data, dry_run=True)["success"]

    after = lab.api("GET", "/api/status")
    assert (after["server"], after["since"]) == ("vpn-de", before["since"])
    assert {p.name: p.read_bytes() for p in lab.gateway.state_dir.glob("*.json")} == files
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-de"][0]


def test_unplannable_settings_come_up_blocked_and_say_so(lab):
    """Earlier, netd ended at once after each restart, and the settings could not be repaired."""
    connect(lab, "vpn-se")
    policy(lab, "tv", "direct")
    path = lab.gateway.state_dir / "settings.json"
    document = json.loads(path.read_text())
    document["settings"]["lan"] |= {"address": "8.8.8.1/24", "dhcp_start": "8.8.8.20", "dhcp_end": "8.8.8.250"}
    lab.gateway.kill_app("netd", restart=False)
    path.write_text(json.dumps(document))
    lab.gateway.restart_app()
    now = lab.api("GET", "/api/status")
    assert (now["connected"], now["killswitch_active"]) == (False, True)
    (problem,) = now["problems"]
    assert "lan.address" in problem
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", check=False, timeout=2) == ""
    connect(lab, "vpn-de")
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-de"][0]
    lab.gateway.restart_app()
    back(lab, "vpn-de")
    assert lab.api("GET", "/api/status")["problems"] == []
