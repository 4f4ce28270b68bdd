"""Who moved how many bytes, and what the exits went through: real downloads, real crashes."""

from __future__ import annotations

import csv
import io
import subprocess
import time
from pathlib import Path

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

SIZE = 3_000_000
OVERHEAD = 1.08  # headers of IP and TCP, retransmissions


def connect(lab: Lab, server: str) -> None:
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def download(lab: Lab, host: str, size: int = SIZE) -> None:
    got = lab.hosts.exec(host, ["curl", "-s", "-m", "30", "-o", "/dev/null", "-w", "%{size_download}",
                          f"http://{INTERNET4}/bytes/{size}"]).stdout  # fmt: skip
    assert int(got) == size


def moved(lab: Lab, query: str) -> int:
    """Bytes to the LAN within the last hour."""
    body = lab.api("GET", f"/api/traffic?range=1h&step=minute&{query}")
    assert sum(p["down"] or 0 for p in body["points"]) == body["sum"]["down"]
    return body["sum"]["down"]


def history(lab: Lab, **query: object) -> list[dict]:
    text = "&".join(f"{k}={v}" for k, v in query.items())
    return lab.api("GET", f"/api/history?{text}").get("history", [])  # none while netd is away


def test_download_counts_survive_a_crash(lab, capsys):
    """A download is counted for its device and its exit, and the counts survive a crash."""
    connect(lab, "vpn-se")
    device, phone = f"device={LAN_HOSTS['laptop']}", f"device={LAN_HOSTS['phone']}"
    asked = {"device": device, "exit": "exit=default", "total": ""}
    wait_for("a first reading", lambda: lab.api("GET", "/api/traffic")["points"][-1]["covered"] > 0)
    before = {name: moved(lab, query) for name, query in asked.items()}
    quiet = moved(lab, phone)
    download(lab, "laptop")

    def grown() -> dict[str, float]:
        return {name: (moved(lab, query) - before[name]) / SIZE for name, query in asked.items()}

    wait_for("the bytes to be counted", lambda: all(g >= 1 for g in grown().values()), 15)
    counted = grown()
    with capsys.disabled():
        print(f"\n  {SIZE} bytes downloaded, counted: " + ", ".join(f"{k} x{v:.3f}" for k, v in counted.items()))
    assert all(1 <= g <= OVERHEAD for g in counted.values()), counted
    assert moved(lab, phone) - quiet < 100_000

    lab.gateway.kill_app("netd", restart=False)
    download(lab, "laptop")  # while netd is not there to read the counters
    lab.gateway.release_app("netd")
    lab.gateway.wait_ready()
    wait_for("both downloads to be there", lambda: all(g >= 2 for g in grown().values()), 20)
    assert all(2 <= g <= 2 * OVERHEAD for g in grown().values()), grown()

    devices = {d["mac"]: d for d in lab.api("GET", "/api/traffic/devices?range=1h")["devices"]}
    assert devices[LAN_HOSTS["laptop"]]["hostname"] == "laptop"
    assert devices[LAN_HOSTS["laptop"]]["down"] >= 2 * SIZE
    exits = {e["exit"]: e for e in lab.api("GET", "/api/traffic/exits?range=1h")["exits"]}
    assert exits["default"]["down"] >= 2 * SIZE
    assert exits["second"]["down"] == 0


def test_every_move_of_an_exit_is_in_the_history(lab):
    lab.api("POST", "/api/disconnect")
    last = max((r["id"] for r in history(lab, limit=1)), default=0)
    started = time.time()
    connect(lab, "vpn-se")
    download(lab, "laptop")
    connect(lab, "vpn-de")
    lab.hosts["gateway"].shell("for i in wg0a wg0b; do ip link del $i 2>/dev/null || true; done")
    wait_for("the tunnel to be lost", lambda: any(r["cause"] == "tunnel_lost" for r in history(lab, limit=5)))
    # Asking writes down what was remembered so far, so the crash costs none of it.
    wait_for("the tunnel to be back", lambda: history(lab, limit=1)[0]["cause"] == "handshake", 40)
    lab.gateway.kill_app("netd")
    wait_for("netd to be back", lambda: any(r["cause"] == "adopted" for r in history(lab, limit=5)))
    lab.api("POST", "/api/disconnect")

    found = [r for r in reversed(history(lab, limit=50)) if r["id"] > last]
    moves = [(r["before"], r["after"], r["cause"], r["server"]) for r in found if r["cause"] != "retry"]
    assert moves == [
        ("disconnected", "connecting", "requested", "vpn-se"),
        ("connecting", "connected", "handshake", "vpn-se"),
        ("connected", "connected", "switched", "vpn-de"),
        ("connected", "blocked", "tunnel_lost", "vpn-de"),
        ("connecting", "connected", "handshake", "vpn-de"),
        ("disconnected", "connected", "adopted", "vpn-de"),
        ("connected", "disconnecting", "requested", "vpn-de"),
        ("disconnecting", "disconnected", "requested", "vpn-de"),
    ], found
    switched = next(r for r in found if r["cause"] == "switched")
    assert switched["previous_server"] == "vpn-se"
    assert SIZE <= switched["down"] <= SIZE * OVERHEAD + 50_000
    assert 0 < switched["duration"] < 60
    assert all(started <= r["time"] <= time.time() for r in found)
    end = next(r for r in found if r["after"] == "disconnecting")
    assert end["duration"] > 0
    assert end["up"] is not None

    rows = list(csv.DictReader(io.StringIO(lab.api.request("GET", "/api/history.csv")[1].decode())))
    assert [int(row["id"]) for row in rows][: len(found)] == [r["id"] for r in reversed(found)]
    assert rows[0]["cause"] == "requested"


def test_prometheus_sees_the_same(lab):
    connect(lab, "vpn-se")

    def scrape() -> dict[str, float]:
        text = lab.api.request("GET", "/metrics")[1].decode()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    counter = f'vpn_gateway_device_bytes_total{{direction="down",mac="{LAN_HOSTS["laptop"]}"}}'
    before = scrape()
    download(lab, "laptop")
    wait_for("the bytes in the metrics", lambda: scrape().get(counter, 0) >= before.get(counter, 0) + SIZE, 15)
    now = scrape()
    assert now['vpn_gateway_exit_state{exit="default",state="connected"}'] == 1
    assert now['vpn_gateway_exit_handshake_age_seconds{exit="default"}'] < 150
    assert now["vpn_gateway_attestation_ok"] == 1
    assert now["vpn_gateway_dhcp_leases"] >= 3
    assert now["vpn_gateway_netd_up"] == 1
    assert now["vpn_gateway_netd_open_fds"] > 5
    assert now['vpn_gateway_exit_info{exit="default",provider="custom",server="vpn-se"}'] == 1

    tool = Path(__file__).parents[2] / ".cache" / "promtool"
    assert tool.exists(), "ci/setup test unpacks promtool"
    text = lab.api.request("GET", "/metrics")[1]
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    lab.gateway.kill_app("netd", restart=False)
    wait_for("netd to be missed", lambda: scrape()["vpn_gateway_netd_up"] == 0)
    lab.gateway.release_app("netd")
    wait_for("netd to be back", lambda: scrape()["vpn_gateway_netd_up"] == 1)
    wait_for("counters that went on", lambda: scrape().get(counter, 0) >= now[counter], 15)
