"""``/metrics``, and what is made of it: alert rules and dashboard are checked with Prometheus' own tool."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from app.api.metrics import MAX_DEVICES, Devices, of_names
from app.model import Lease
from app.protocol.statistics import Bytes
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient
from tests.unit.api.conftest import Call

PROJECT = Path(__file__).parents[3]
MONITORING = PROJECT / "docs" / "monitoring"


def promtool(*arguments: str, feed: str | None = None) -> subprocess.CompletedProcess[str]:
    tool = PROJECT / ".cache" / "promtool"
    assert tool.exists(), "ci/setup test unpacks promtool"
    return subprocess.run(
        [tool, *arguments], cwd=MONITORING, input=feed, capture_output=True, text=True, check=False, timeout=60
    )


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (s.name, frozenset(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def value(text: str, metric: str, /, **labels: str) -> float:
    return samples(text)[f"vpn_gateway_{metric}", frozenset(labels.items())]


@pytest.fixture
def scrape(server: WebServer, gateway: FakeGateway, call: Call) -> str:
    """A scrape with everything there is: a tunnel, requests good and bad."""
    call("POST", "/api/connect", json={"server": "se-sto-wg-001"})
    call("GET", "/api/status")
    call("POST", "/api/connect", json={"server": 7})
    call("GET", "/no/such/path")
    with WebSocketClient(server.port) as client:
        client.receive()
        return call("GET", "/metrics").text


def test_promtool_finds_nothing_to_say_about_a_live_scrape(scrape: str) -> None:
    done = promtool("check", "metrics", feed=scrape)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    bad = promtool("check", "metrics", feed="# TYPE bad_total gauge\nbad_total 1\n")
    assert bad.returncode != 0  # it would have said so


def test_what_a_scrape_tells(scrape: str, call: Call) -> None:
    assert value(scrape, "netd_up") == 1
    assert value(scrape, "websocket_clients") == 1
    assert value(scrape, "exit_state", exit="default", state="connected") == 1
    assert value(scrape, "exit_state", exit="default", state="blocked") == 0
    assert value(scrape, "exit_info", exit="default", provider="mullvad", server="se-sto-wg-001") == 1
    assert 0 <= value(scrape, "exit_handshake_age_seconds", exit="default") < 60
    assert value(scrape, "exit_bytes_total", exit="default", direction="down") == 90_100
    assert value(scrape, "device_bytes_total", mac="02:00:00:00:00:02", direction="up") == 1000
    assert value(scrape, "device_info", mac="02:00:00:00:00:02", name="phone") == 1
    assert value(scrape, "lan_bytes_total", direction="up") == 1100
    assert value(scrape, "dropped_packets_total", reason="spoofed") == 1
    assert value(scrape, "attestation_ok") == 1
    assert value(scrape, "provider_contacts_total", way="clear") == 3
    assert value(scrape, "dhcp_leases") == 1
    assert value(scrape, "netd_resident_memory_bytes") == 40 << 20
    assert value(scrape, "http_request_duration_seconds_count", method="POST", route="/api/connect") == 2
    assert value(scrape, "http_responses_total", method="POST", route="/api/connect", code="422") == 1
    assert value(scrape, "http_responses_total", method="other", route="other", code="404") == 1
    assert call("GET", "/metrics").headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_it_answers_while_netd_is_away(call: Call, gateway: FakeGateway) -> None:
    gateway.away = True
    answer = call("GET", "/metrics")
    assert answer.status_code == 200
    assert value(answer.text, "netd_up") == 0
    assert "vpn_gateway_exit_state" not in answer.text
    assert "process_resident_memory_bytes" in answer.text


def test_what_people_choose_is_no_label(call: Call, scrape: str) -> None:
    before = len(call("GET", "/metrics").text.splitlines())
    for n in range(50):
        call("GET", f"/api/nothing/{n}")
        call("PUT", f"/api/devices/02:00:00:00:00:{n:02x}/policy", json={"policy": "nonsense"})
    text = call("GET", "/metrics").text
    assert value(text, "http_responses_total", method="PUT", route="/api/devices/<mac>/policy", code="422") == 50
    assert len(text.splitlines()) < before + 20


def test_series_are_bounded_and_devices_keep_theirs() -> None:
    devices = Devices()
    many = {f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}": Bytes(n, 2 * n) for n in range(1024)}
    first = devices.split(many)
    assert len(first) == MAX_DEVICES + 1
    assert sum(b.up for b in first.values()) == sum(b.up for b in many.values())
    assert "02:00:00:00:03:ff" in first
    # Another one has moved more by now: those that have a counter keep it, or `other` would run backwards.
    later = devices.split(many | {"02:00:00:00:00:01": Bytes(10**9, 0)})
    assert later.keys() == first.keys()
    assert later["other"].up > first["other"].up


def test_a_name_from_the_lan_cannot_break_out_of_its_label() -> None:
    lease = Lease("02:00:00:00:00:09", "192.168.77.9", 'evil"} 1\nvpn_gateway_netd_up 0\\', 0)
    snapshot = replace(FakeGateway().state, leases=(lease,))

    class One(Collector):
        def collect(self):
            yield of_names(snapshot, [lease.mac])

    registry = CollectorRegistry()
    registry.register(One())
    text = generate_latest(registry).decode()
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 1
    ((_, labels),) = samples(text)
    assert dict(labels)["name"] == lease.hostname


def test_rules() -> None:
    done = promtool("check", "rules", "alerts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert promtool("check", "config", "--syntax-only", "prometheus.yml").returncode == 0


_NAME = re.compile(r"\b(?:vpn_gateway|process)_[a-z_]+\b|\bup(?=\{)")


def test_rules_and_dashboard_ask_for_metrics_that_exist(scrape: str, tmp_path: Path) -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = (MONITORING / "alerts.yml").read_text()
    asked = set(_NAME.findall("\n".join(expressions))) | set(_NAME.findall(rules))
    assert len(asked) > 15
    assert asked - {name for name, _ in samples(scrape)} - {"up"} == set()
    # The dashboard's expressions as rules, so that promtool reads them.
    lines = ["groups:", "- name: dashboard", "  rules:"]
    for n, text in enumerate(expressions):
        expr = text.replace("$__rate_interval", "5m").replace("$instance", ".*")
        lines += [f"  - record: panel:{n}", f"    expr: {json.dumps(expr)}"]
    (tmp_path / "panels.yml").write_text("\n".join(lines))
    done = promtool("check", "rules", str(tmp_path / "panels.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_on_monitoring_names_every_metric(scrape: str) -> None:
    page = (PROJECT / "docs" / "monitoring.md").read_text()
    families = {f.name for f in text_string_to_metric_families(scrape) if f.name.startswith("vpn_gateway_")}
    named = set(re.findall(r"`([a-z_]+)`", page))
    short = {name.removeprefix("vpn_gateway_") for name in families}
    assert {name for name in short if not {name, f"{name}_total"} & named} == set()
