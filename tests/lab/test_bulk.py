"""Bulk requests are atomic: a failed one is undone, and nothing leaks until then."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests

from app import keys
from app.firstboot.after_netd import carry_out
from app.firstboot.paths import Paths
from app.firstboot.schema import Config
from app.ipc import Client
from ci.labnet import Lab
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

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
        "policies": {d["mac"]: d["policy"] for d in devices if d["own_policy"] or d["leased"]},  # others come and go
        "custom": lab.api("GET", "/api/servers?provider=custom")["servers"],
        "imported": lab.api("GET", "/api/servers?provider=imported")["servers"],
        "settings": lab.api("GET", "/api/settings")["failover"],
        "files": {f: (lab.gateway.state_dir / f).read_bytes() for f in ("servers.json", "secrets.json")},
    }


def test_a_bulk_request_that_fails_last_is_undone_whole(lab: Lab) -> None:
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
        status, content = lab.api.request("POST", "/api/bulk", {"operations": operations})
        body = json.loads(content)
        assert (status, body["field"], body["code"]) == (404, "operations[4].name", "not_found")
        wait_for("vpn-se again", lambda: lab.api("GET", "/api/status")["server"] == "vpn-se")
    assert watch.leaks == [], dump(watch.leaks)
    after = state(lab)
    after["since"] = before["since"]  # it was left and come back to
    assert after == before


def test_a_bulk_request_is_applied_and_lasts(lab: Lab) -> None:
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
    lab.gateway.restart_app()
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


def send(lab: Lab, names: list[str], mode: str = "each") -> tuple[int, dict[str, Any]]:
    """A zip with a file of each name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(name, config())
    answer = requests.post(
        f"http://127.0.0.1:{lab.api.port}/api/import/bulk",
        data=buffer.getvalue(),
        params={"mode": mode},
        headers=lab.api.headers | {"Content-Type": "application/zip"},
        timeout=60,
    )
    return answer.status_code, answer.json()


def imported(lab: Lab) -> list[str]:
    """In the order in which they were added."""
    stored = json.loads((lab.gateway.state_dir / "servers.json").read_bytes())["servers"]
    names = [server["name"] for server in stored if server["provider"] == "imported"]
    listed = lab.api("GET", "/api/servers?provider=imported")["servers"]
    shown = [s["hostname"] for cities in listed.values() for servers in cities.values() for s in servers]
    assert sorted(shown) == sorted(names)
    return names


def remove(lab: Lab, names: list[str]) -> None:
    for start in range(0, len(names), 100):
        some = [{"op": "remove_custom_server", "name": name} for name in names[start : start + 100]]
        assert lab.api("POST", "/api/bulk", {"operations": some})["success"]


@pytest.mark.parametrize("mode", ["each", "atomic"])
def test_a_zip_of_many_servers_is_imported_whole_or_refused(lab: Lab, mode: str) -> None:
    """A provider's zip of all its servers is imported whole, or refused before anything is changed."""
    before = imported(lab)
    status, body = send(lab, [f"all/se-{n} (wg).conf" for n in range(720)], mode)
    assert (status, body["success"]) == (200, True), body
    first = body["results"][0]
    assert (first["file"], first["success"], first["name"]) == ("all/se-0 (wg).conf", True, "se-0 wg")
    assert len(imported(lab)) == len(before) + 720
    now = state(lab)
    status, body = send(lab, [f"more-{n}.conf" for n in range(500)], mode)
    assert (status, body["code"]) == (409, "too_many"), body
    assert body["error"].startswith("these are 500 files, and there is room for ")
    assert state(lab) == now
    remove(lab, [name for name in imported(lab) if name not in before])
    assert imported(lab) == before


def netd(lab: Lab) -> Client:
    return Client(Path(f"/proc/{lab.hosts['gateway'].init}/root/run/vpn-gateway/netd.sock"))


async def test_files_on_the_card_are_imported_by_the_real_netd(lab: Lab, tmp_path: Path) -> None:
    """As first boot does it, over netd's socket; a second time as after a power cut, when it is there already."""
    paths = Paths(*(tmp_path / name for name in ("fat", "data", "run", "wan", "web")))
    for folder in (paths.fat, paths.data, paths.run):
        folder.mkdir()
    text, other = config(), config()
    before = imported(lab)
    for _ in range(2):
        (paths.fat / "card (1).conf.txt").write_bytes((text + "# für unterwegs").encode("cp1252"))
        with zipfile.ZipFile(paths.fat / "card.zip", "w") as made:
            made.writestr("card (1).conf", other)
        outcome = await carry_out(paths, Config(), netd(lab))
        assert (outcome.faults, outcome.retry) == ([], False)
        assert list(paths.fat.iterdir()) == []
    assert imported(lab) == [*before, "card 1", "card 1-2"]
    (paths.fat / "bad.zip").write_bytes(b"no zip")
    (paths.fat / "bad.conf").write_text("[Interface]\n")
    outcome = await carry_out(paths, Config(), netd(lab))
    assert [fault.split(":")[0] for fault in outcome.faults] == ["bad.conf", "bad.zip"]
    assert imported(lab) == [*before, "card 1", "card 1-2"]
    remove(lab, ["card 1", "card 1-2"])
