"""The support file of the real gateway has the diagnosis and no private data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests

from app import keys
from app.network.plan import NFT_TABLE
from app.store.sensitive_values import stored_secrets
from app.support.report import MAX_BYTES
from ci.labnet import Lab
from ci.labnet.addresses import LAN_HOSTS
from ci.labnet.owner import API_KEY

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

ROOT = Path(__file__).parents[2]
PUBLIC = ("8.8.4.4", "2a03:1b20::7", "9.9.9.9")  # an endpoint, an address of a peer, a resolver; the last is built in
NAMES = ("Anna's telly", "annas-server.example.org", *LAN_HOSTS)
SECTIONS = (
    "Versions", "Board and firmware", "State", "Settings", "Servers", "History (UTC)", "Plan",
    "Log of the network service (UTC)", "Voltage, heat, clock", "Memory and load", "Network ports", "Boot times",
    "Wi-Fi", "Addresses", "Rules and routes in the kernel", "Firewall in the kernel",
    "Messages of the kernel about the network", "Messages of the network's services",
)  # fmt: skip


@pytest.fixture(scope="module")
def gateway(lab: Lab) -> Lab:
    """Connected, with a server and a device that tell something of their owner."""
    lab.api("POST", "/api/provider/custom")
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    for name, endpoint in (("anna", f"{PUBLIC[0]}:51820"), ("annas", f"{NAMES[1]}:51820")):
        body = {
            "name": name,
            "endpoint": endpoint,
            "public_key": keys.generate().public_key,
            "private_key": keys.generate().private_key.reveal(),
            "preshared_key": keys.generate().private_key.reveal(),
            "address": f"10.9.9.2/32, {PUBLIC[1]}/128",
        }
        assert lab.api("POST", "/api/custom/add", body)["success"], body
    mac = LAN_HOSTS["phone"]
    assert lab.api("PUT", f"/api/devices/{mac}/policy", {"policy": "blocked", "name": NAMES[0]})["success"]
    return lab


def fetched(lab: Lab) -> requests.Response:
    """The answer; where the rate limit says so, a little later."""
    while True:
        answer = requests.get(f"http://127.0.0.1:{lab.api.port}/api/support", headers=lab.api.headers, timeout=60)
        if answer.status_code != 429 or answer.json()["code"] != "rate_limited":
            return answer
        time.sleep(float(answer.headers["Retry-After"]))


def check(lab: Lab, text: str) -> None:
    secrets = stored_secrets(lab.gateway.state_dir)
    assert len(secrets) >= 6, "two keys of the lab's, four of this test's"
    for hidden in (*secrets, *PUBLIC, *NAMES):
        assert hidden.lower() not in text.lower(), hidden
    stored = (lab.gateway.state_dir / "servers.json").read_text()
    for key in re.findall(r"[A-Za-z0-9+/]{43}=", stored):
        assert key not in text, "public keys identify their owner as well"
    for mac in LAN_HOSTS.values():
        assert mac not in text
    for word in re.findall(r"\d+\.\d+\.\d+\.\d+", text):
        address = ip_address(word)
        assert not address.is_global or address.is_multicast, word
    for title in SECTIONS:
        assert f"\n{title}\n{'=' * len(title)}\n" in text, title
    assert '"state": "connected"' in text
    assert "-> connected (handshake) custom/vpn-se" in text
    assert "The kernel differs from it in: nothing" in text
    assert text.count(f"table inet {NFT_TABLE} ") >= 2, "as planned, and as it is"
    assert "endpoint" in text
    assert "public-address-1" in text
    assert "host-name-1" in text
    assert re.search(r"\nlo\n  driver: none", text)
    assert re.search(r"\n\d+: wan0@", text)
    assert "MemAvailable:" in text


def test_the_file_has_what_one_needs_and_nothing_of_its_owner(gateway: Lab) -> None:
    answer = fetched(gateway)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="vpn-gateway-support-\d{4}-\d\d-\d\d\.txt"', answer.headers["Content-Disposition"]
    )
    assert len(answer.content) <= MAX_BYTES
    check(gateway, answer.content.decode())


def test_the_command_line_writes_it_for_its_user_alone(gateway: Lab, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    environment["VPN_GATEWAY_TOKEN"] = API_KEY
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "timeout": 90}
    command = [sys.executable, "-m", "app", "cli", "--url", f"http://127.0.0.1:{gateway.api.port}", "support"]
    done = subprocess.run(command, check=False, **options)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("vpn-gateway-support-*.txt")
    assert file.stat().st_mode & 0o777 == 0o600
    check(gateway, file.read_text())
    done = subprocess.run([*command, "--output", "-"], check=False, **options)
    check(gateway, done.stdout.decode())


def test_one_support_file_at_a_time_and_the_api_still_answers(gateway: Lab) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: fetched(gateway), range(4)))
    assert {a.status_code for a in answers} == {200, 429}
    assert {a.json()["code"] for a in answers if a.status_code == 429} == {"busy"}
    assert fetched(gateway).status_code == 200
