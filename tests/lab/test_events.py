"""Events of a real gateway: rates, new devices, and the replay of missed events."""

from __future__ import annotations

import resource
import time

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS
from ci.labnet.waiting import wait_for
from tests.support.ws_client import WebSocketClient

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(120)]


def until(client: WebSocketClient, wanted, seconds: float = 20.0) -> list[dict]:
    """Messages up to the first that is ``wanted``."""
    messages, deadline = [], time.monotonic() + seconds
    while not messages or not wanted(messages[-1]):
        assert time.monotonic() < deadline, messages[-3:]
        messages.append(client.receive())
    return messages


def test_rates_of_a_download(lab: Lab):
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    with WebSocketClient(lab.api.port, headers=lab.api.headers) as client:
        lab.hosts.exec("laptop", ["curl", "-s", "-m", "30", "-o", "/dev/null", f"http://{INTERNET4}/bytes/2000000"])
        (*_, rates) = until(client, lambda m: m["type"] == "traffic" and m["payload"]["total"]["down"] > 100_000)
    payload = rates["payload"]
    assert payload["devices"][LAN_HOSTS["laptop"]]["down"] > 100_000
    assert payload["exits"]["default"]["down"] > 100_000
    assert 4 <= payload["period"] <= 20  # 5 s, and what a busy machine adds


def test_a_new_device_name_is_published(lab: Lab):
    """The name that people gave is the device's host name once it asks for its lease again."""
    phone = LAN_HOSTS["phone"]
    with WebSocketClient(lab.api.port, headers=lab.api.headers) as client:
        client.receive()
        lab.api("PUT", f"/api/devices/{phone}/policy", {"policy": "vpn", "name": "New phone"})
        wait_for("the lease under the new name", lambda: asks_again(lab, "phone") == "new-phone", interval=1)
        until(client, lambda m: renamed(m, phone, "new-phone"))


def renamed(message: dict, mac: str, hostname: str) -> bool:
    """Whether ``message`` tells of the lease of the device with ``mac`` under ``hostname``."""
    if message["type"] != "device_change" or message["payload"]["reason"] != "lease":
        return False
    device = message["payload"]["device"]
    return (device["mac"], device["hostname"]) == (mac, hostname)


def asks_again(lab: Lab, host: str) -> str | None:
    """Have ``host`` ask for its lease once more; its host name now."""
    lab.lan.start_dhcp(host)
    lab.lan.wait_address(host)
    found = {lease["mac"]: lease["hostname"] for lease in lab.api("GET", "/api/leases")["leases"]}
    return found.get(LAN_HOSTS[host])


def test_a_returning_client_misses_nothing_over_a_web_restart(lab: Lab):
    """Every event since ``after`` is replayed, although the web service restarted in between."""
    with WebSocketClient(lab.api.port, headers=lab.api.headers) as client:
        seen = client.receive()["seq"]
    assert lab.api("POST", "/api/connect", {"server": "vpn-de"})["success"]
    lab.api("PUT", f"/api/devices/{LAN_HOSTS['tv']}/policy", {"policy": "blocked"})
    lab.gateway.kill_app("web")
    lab.gateway.wait_ready()
    lab.api("PUT", f"/api/devices/{LAN_HOSTS['tv']}/policy", {"policy": "vpn"})
    last = lab.api("GET", "/api/status")["seq"]
    with WebSocketClient(lab.api.port, f"/ws?after={seen}", headers=lab.api.headers) as client:
        resume, *missed = until(client, lambda m: m["type"] != "resume" and m["seq"] >= last)
    assert (resume["type"], resume["payload"]["complete"]) == ("resume", True)
    numbered = [m for m in missed if m["type"] != "traffic"]
    assert [m["seq"] for m in numbered] == list(range(seen + 1, last + 1))
    assert [m["payload"]["device"]["policy"] for m in numbered if m["type"] == "device_change"][-1] == "vpn"
    assert numbered[0]["type"] == "status_change"


def test_a_crash_of_netd_is_a_gap_for_returning_clients(lab: Lab):
    """After a crash of netd no client is answered that its events are complete."""
    with WebSocketClient(lab.api.port, headers=lab.api.headers) as client:
        seen = client.receive()["seq"]
        lab.gateway.kill_app("netd")
        (*_, back) = until(client, lambda m: m["type"] == "status_change" and m["seq"] > seen)
    with WebSocketClient(lab.api.port, f"/ws?after={seen}", headers=lab.api.headers) as client:
        assert client.receive()["payload"]["complete"] is False
        assert client.receive()["seq"] >= back["seq"]


CLIENTS = 500


def test_five_hundred_clients_of_the_real_gateway(lab: Lab, capsys):
    """Every event of connects, switches and changed policies, in order and without a gap, to each of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    before = pss(lab)
    clients = [WebSocketClient(lab.api.port, headers=lab.api.headers) for _ in range(CLIENTS)]
    try:
        joined = [client.receive()["seq"] for client in clients]
        for n in range(6):
            lab.api("POST", "/api/connect", {"server": ("vpn-se", "vpn-de")[n % 2]})
            lab.api("PUT", f"/api/devices/{LAN_HOSTS['tv']}/policy", {"policy": ("blocked", "vpn")[n % 2]})
        last = lab.api("GET", "/api/status")["seq"]
        seen = []
        for client, first in zip(clients, joined, strict=True):
            numbers = [m["seq"] for m in until(client, lambda m: m["seq"] == last) if m["type"] != "traffic"]
            assert numbers == list(range(first + 1, last + 1))
            seen.append(len(numbers))
        used = pss(lab)
    finally:
        for client in clients:
            client.__exit__()
    with capsys.disabled():
        print(f"\n  {CLIENTS} clients, {min(seen)} events each; web: {before:.0f} MB before, {used:.0f} MB with them")
    assert min(seen) > 20


def pss(lab: Lab) -> float:
    """Megabytes of the web process."""
    text = lab.hosts["gateway"].run("cat", f"/proc/{(lab.directory / 'web.pid').read_text()}/smaps_rollup").stdout
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
