"""The examples of the API contract against the real gateway, with only the address changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from playwright.sync_api import sync_playwright

from ci.labnet.addresses import INTERNET4, VPNS
from ci.labnet.waiting import wait_for
from tests.browser.conftest import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

REFERENCE = Path(__file__).parents[2] / "docs" / "api-reference.txt"
NODE = Path(sys.executable).with_name("node")


def changed(text: str, lab) -> str:
    """The example with the gateway's address, and a server that exists."""
    text = text.replace("gateway-ip:5000", f"127.0.0.1:{lab.api.port}").replace("se-sto-wg-001", "vpn-se")
    assert "gateway-ip" not in text
    return text


@pytest.fixture(scope="module")
def reference() -> str:
    return REFERENCE.read_text()


@pytest.fixture(autouse=True)
def unhurried() -> None:
    """The examples do not handle 429, so each test begins with an empty window of the rate limit."""
    time.sleep(1.0)


def test_connect_switch_disconnect(lab):
    base = f"http://127.0.0.1:{lab.api.port}"
    for server in ("vpn-se", "vpn-de"):
        assert requests.post(f"{base}/api/connect", json={"server": server}, timeout=30).json() == {"success": True}
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS[server][0]
        status = wait_for("the address seen", lambda: (s := lab.api("GET", "/api/status"))["ip"] and s)
        assert status["connected"] is True
        assert (status["server"], status["ip"]) == (server, VPNS[server][0])
        assert (status["provider"], status["location"]) == ("custom", VPNS[server][4])
        assert re.fullmatch(r"\d+h \d+m", status["uptime"])
        assert status["killswitch_active"] is True
    answer = requests.post(f"{base}/api/disconnect", timeout=30).json()
    assert answer == {"success": True, "message": "Disconnected - No internet (killswitch active)"}
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=2, check=False) == ""


def test_the_curl_examples(lab, reference):
    section = reference[reference.index("cURL") : reference.index("Python\nimport")]
    script = changed(section.partition("\n")[2], lab)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    status, connect, add = (json.loads(part) for part in done.stdout.replace("}\n{", "}\0{").split("\0"))
    assert "killswitch_active" in status
    assert connect == {"success": True}
    # The example's key is "xxx...", an ellipsis: it is refused, and the field is named.
    assert (add["success"], add["field"]) == (False, "public_key")


def test_the_python_example(lab, reference):
    section = reference[reference.index("Python\nimport") + 7 : reference.index("JavaScript\n")]
    code = re.sub(
        r'(\n)(print\("Connected successfully)', r"\1    \2", changed(section, lab)
    )  # its indentation was lost
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "Connected: " in done.stdout
    assert "Connected successfully" in done.stdout


def test_the_javascript_example(lab, reference):
    section = reference[reference.index("JavaScript\n") + 11 : reference.index("Rate Limiting")]
    done = subprocess.run([NODE, "-e", changed(section, lab)], capture_output=True, text=True, timeout=60, check=True)
    assert "Status: {" in done.stdout
    assert "Connected\n" in done.stdout, f"{done.stderr}\n{lab.gateway.logs()}"


def test_the_websocket_example(lab, reference):
    """In a browser, on the gateway's own page, as it is meant."""
    start = reference.index("const ws = new WebSocket")
    code = changed(reference[start : reference.index("};", start) + 2], lab)
    heard: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{lab.api.port}/api/docs")
        page.on("console", lambda message: heard.append(message.text))
        with page.expect_console_message(lambda m: m.text.startswith("Event: status_change"), timeout=20_000):
            page.evaluate(f"() => {{ {code} }}")
        browser.close()
    assert any(text.startswith("Event: status_change") for text in heard)


def test_a_minimal_custom_server_is_taken_and_says_what_it_needs(lab):
    key = json.loads(lab.api.request("GET", "/api/keypair")[1])["public_key"]
    answer = lab.api("POST", "/api/custom/add", {"name": "my-server", "endpoint": "1.2.3.4:51820", "public_key": key})
    assert answer["success"] is True
    assert len(answer["public_key"]) == 44
    refused = lab.api.request("POST", "/api/connect", {"server": "my-server"})
    assert refused[0] == 409
    assert "address" in json.loads(refused[1])["error"]
    assert lab.api("DELETE", "/api/custom/remove/my-server") == {"success": True}
    assert lab.api.request("POST", "/api/connect", {"server": "my-server"})[0] == 404


def test_a_dead_server_is_named_and_the_old_tunnel_stays(lab):
    """A server that does not answer is named in the error, and the old tunnel stays up."""
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    pair = json.loads(lab.api.request("GET", "/api/keypair")[1])
    lab.api(
        "POST",
        "/api/custom/add",
        {
            "name": "dead",
            "endpoint": "203.0.113.80:51820",
            "public_key": pair["public_key"],
            "address": "10.9.9.2/32",
        },
    )
    status, body = lab.api.request("POST", "/api/connect", {"server": "dead"})
    assert status == 504
    assert "no answer from 203.0.113.80:51820" in json.loads(body)["error"]
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
    assert lab.api("GET", "/api/status")["server"] == "vpn-se"
    assert lab.api("DELETE", "/api/custom/remove/dead")["success"]


def test_mullvad_is_listed_and_asks_to_sign_in(lab):
    answer = lab.api("GET", "/api/providers")
    assert answer["providers"][:3] == ["mullvad", "custom", "imported"]
    assert answer["current"] == "custom"
    assert lab.api("POST", "/api/provider/mullvad") == {"success": True, "provider": "mullvad"}
    status, body = lab.api.request("POST", "/api/connect", {"server": "se-sto-wg-001"})
    assert status == 409
    assert "Sign in to Mullvad first" in json.loads(body)["error"]
    assert lab.api("POST", "/api/provider/custom")["success"]


def test_import_and_connect(lab):
    pair = json.loads((lab.directory / "vpn-de.json").read_text())
    config = (
        f"[Interface]\nPrivateKey = {pair['client_private_key']}\nAddress = 10.65.0.2/32\nDNS = 10.65.0.1\n"
        "PostUp = touch /tmp/vpn-gateway-hook-was-run\n"
        f"[Peer]\nPublicKey = {pair['public_key']}\nAllowedIPs = 0.0.0.0/1, 128.0.0.0/1\nEndpoint = vpn-de.lab:51820\n"
    )
    answer = lab.api("POST", "/api/import", {"name": "berlin", "config": config})
    assert answer["success"]
    assert any("PostUp" in w for w in answer["warnings"])
    assert lab.api("POST", "/api/provider/imported")["success"]
    assert lab.api("POST", "/api/connect", {"server": "berlin"})["success"], lab.gateway.logs()
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-de"][0]
    assert not Path("/tmp/vpn-gateway-hook-was-run").exists()
    assert lab.api("POST", "/api/provider/custom")["success"]
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    assert lab.api("DELETE", "/api/custom/remove/berlin")["success"]
