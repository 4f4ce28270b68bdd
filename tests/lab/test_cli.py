"""The command line against the real gateway, as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from app import keys
from ci.labnet import Lab
from ci.labnet.addresses import VPNS
from ci.labnet.owner import API_KEY, PASSWORD
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(lab: Lab, tmp_path: Path):
    def call(*arguments: object, status: int = 0, stdin: bytes = b"", signed_in: bool = True) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "VPN_GATEWAY_URL": f"http://127.0.0.1:{lab.api.port}",
            **({"VPN_GATEWAY_TOKEN": API_KEY} if signed_in else {}),
        }
        command = [str(ROOT / ".venv" / "bin" / "vpn-gateway"), *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=env, input=stdin, capture_output=True, timeout=90, check=False)
        assert done.returncode == status, (
            f"{arguments}: {done.stdout.decode()}{done.stderr.decode()}\n{lab.gateway.logs()}"
        )
        return done.stdout.decode()

    return call


def config() -> str:
    return (
        f"[Interface]\nPrivateKey = {keys.generate().private_key.reveal()}\nAddress = 10.0.0.2/32\n"
        f"[Peer]\nPublicKey = {keys.generate().public_key}\nEndpoint = 198.51.100.99:51820\nAllowedIPs = 0.0.0.0/0\n"
    )


def test_a_day_with_the_gateway(lab: Lab, run) -> None:
    run("provider", "custom")
    assert run("connect", "Germany") == "Connected to vpn-de.\n"
    assert "Server:         vpn-de" in run("status")
    assert lab.hosts.http("laptop", "http://203.0.113.80/") == VPNS["vpn-de"][0]
    wait_for("the address seen", lambda: json.loads(run("--json", "status"))["ip"])
    assert "FAILED" not in run("leak-test")
    assert "laptop" in run("devices")
    assert "handshake" in run("history", "--limit", 5)
    assert "connected to custom/vpn-de" in run("logs")
    wait_for("traffic counted", lambda: "laptop" in run("traffic"))
    assert run("disconnect") == "Disconnected - No internet (killswitch active)\n"
    run("status", status=5)


def test_a_zip_goes_in_and_a_backup_out_and_in(lab: Lab, run, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.conf", config())
        archive.writestr("two.conf", "nonsense")
    file = tmp_path / "many.zip"
    file.write_bytes(packed.getvalue())
    output = run("import", file, status=1)
    assert "one.conf: imported" in output
    assert "two.conf: " in output
    assert "one" in run("servers", "--provider", "imported")

    backup, phrase = tmp_path / "gateway.age", tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    lab.api("PATCH", "/api/settings", {"exit_check_url": None})  # the lab's own has no TLS: no restore would take it
    run("backup", backup, "--passphrase-file", phrase, stdin=f"{PASSWORD}\n".encode())
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "nothing was changed" in run("restore", backup, "--passphrase-file", phrase, "--dry-run")
    phrase.write_text("another one entirely\n")
    run("restore", backup, "--passphrase-file", phrase, "--dry-run", status=1)
    lab.api("DELETE", "/api/custom/remove/one")


def test_signing_in_keeps_tokens_for_one_user_only(run, tmp_path: Path) -> None:
    run("status", status=4, signed_in=False)
    run("login", stdin=f"{PASSWORD}\n".encode(), signed_in=False)
    tokens = tmp_path / ".config" / "vpn-gateway" / "tokens.json"
    assert tokens.stat().st_mode & 0o777 == 0o600
    run("providers", signed_in=False)
    kept = json.loads(tokens.read_text())
    url = next(iter(kept))
    kept[url]["access"] = "expired"
    tokens.write_text(json.dumps(kept))
    run("providers", signed_in=False)  # the token is renewed automatically
    assert json.loads(tokens.read_text())[url]["access"] != "expired"
    run("logout", signed_in=False)
    run("providers", status=4, signed_in=False)
