"""Traffic statistics and history as the API shows them, and what it does not take."""

from __future__ import annotations

import pytest

from app.protocol.commands import ExportHistory, GetDeviceHistory, GetHistory, GetTraffic
from app.protocol.device_history import DeviceHistoryQuery
from app.protocol.statistics import ALL, HistoryQuery, Subject, TrafficQuery
from tests.support.fake_device_history import HISTORY, TV
from tests.support.fake_gateway import FakeGateway
from tests.support.fake_records import PHONE
from tests.unit.api.conftest import Call, assert_error


def test_traffic_in_all(call: Call, gateway: FakeGateway) -> None:
    body = call("GET", "/api/traffic").json()
    assert set(body) == {"device", "exit", "step", "start", "end", "sum", "rate", "points"}
    assert (body["device"], body["exit"], body["sum"]) == (None, None, {"up": 1100, "down": 90_007})
    assert body["points"][0] | {"time": 0} == {"time": 0, "up": None, "down": None, "covered": 0.0}
    assert gateway.commands[-1] == GetTraffic(TrafficQuery(ALL, 86400, "hour"))


def test_traffic_of_one_device(call: Call, gateway: FakeGateway) -> None:
    body = call("GET", f"/api/traffic?device={PHONE.upper()}&range=90m&step=minute").json()
    assert (body["device"], body["sum"], body["rate"]) == (
        PHONE,
        {"up": 1000, "down": 90_000},
        {"up": 10, "down": 900},
    )
    assert gateway.commands[-1] == GetTraffic(TrafficQuery(Subject("device", PHONE), 5400, "minute"))


def test_traffic_by_name(call: Call) -> None:
    devices = call("GET", "/api/traffic/devices?range=7d").json()
    assert devices["range"] == 7 * 86400
    assert devices["devices"][0] == {
        "mac": PHONE,
        "name": None,
        "hostname": "phone",
        "up": 1000,
        "down": 90_000,
        "rate": {"up": 10, "down": 900},
    }
    assert [d["mac"] for d in devices["devices"]] == [PHONE, "other"]
    exits = call("GET", "/api/traffic/exits").json()["exits"]
    assert exits == [{"exit": "default", "up": 1100, "down": 90_100, "rate": {"up": 11, "down": 901}}]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/traffic?device=phone", "device"),
        ("/api/traffic?device=", "device"),
        (f"/api/traffic?device={PHONE}&exit=default", "exit"),
        ("/api/traffic?range=0h", "range"),
        ("/api/traffic?range=4000d", "range"),
        ("/api/traffic?range=1h&range=2h", "range"),
        ("/api/traffic?step=week", "step"),
        ("/api/traffic?range=90d&step=minute", "step"),
        ("/api/traffic/devices?range=soon", "range"),
        ("/api/history?limit=0", "limit"),
        ("/api/history?limit=1001", "limit"),
        ("/api/history?limit=ten", "limit"),
        ("/api/history?before=-1", "before"),
        ("/api/history?since=nan", "since"),
        ("/api/history?until=inf", "until"),
        (f"/api/history?exit={'x' * 256}", "exit"),
        (f"/api/devices/{PHONE}/history?limit=0", "limit"),
        (f"/api/devices/{PHONE}/history?limit=1001", "limit"),
        (f"/api/devices/{PHONE}/history?before=0", "before"),
        ("/api/devices/phone/history", "mac"),
    ],
)
def test_bad_queries_name_the_parameter(call: Call, gateway: FakeGateway, path: str, field: str) -> None:
    assert_error(call("GET", path), 422, "invalid_field", field)
    assert gateway.commands == []


@pytest.mark.parametrize(
    "path", ["/api/traffic", "/api/traffic/exits", "/api/history", "/api/history.csv", f"/api/devices/{TV}/history"]
)
def test_unknown_parameters_are_refused(call: Call, path: str) -> None:
    assert_error(call("GET", f"{path}?devise=x"), 422, "unknown_field", "devise")


def test_history_is_paged_without_a_hole(call: Call) -> None:
    seen: list[int] = []
    path = "/api/history?limit=100"
    for expected in (100, 100, 50):
        body = call("GET", path).json()
        assert len(body["history"]) == expected
        seen += [record["id"] for record in body["history"]]
        path = f"/api/history?limit=100&before={body['next']}"
    assert body["next"] is None
    assert seen == list(range(250, 0, -1))


def test_history_filters_reach_netd(call: Call, gateway: FakeGateway) -> None:
    call("GET", "/api/history?exit=second&since=1.5&until=7")
    assert gateway.commands[-1] == GetHistory(HistoryQuery(100, None, "second", 1.5, 7.0))


def test_history_as_csv(call: Call, gateway: FakeGateway) -> None:
    answer = call("GET", "/api/history.csv?exit=default")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="vpn-gateway-history.csv"'
    assert answer.text.splitlines() == ["time_utc,id", "2023-11-14T22:13:22Z,2", "2023-11-14T22:13:21Z,1"]
    assert gateway.commands == [
        ExportHistory(HistoryQuery(exit="default")),
        ExportHistory(HistoryQuery(exit="default", before=2)),
    ]


def test_history_of_a_device_is_paged(call: Call, gateway: FakeGateway) -> None:
    first = call("GET", f"/api/devices/{TV.upper().replace(':', '-')}/history?limit=4").json()
    assert [record["id"] for record in first["history"]] == [9, 8, 5, 3]
    assert gateway.commands[-1] == GetDeviceHistory(DeviceHistoryQuery(TV, 4))
    second = call("GET", f"/api/devices/{TV}/history?before={first['next']}").json()
    assert ([record["id"] for record in second["history"]], second["next"]) == ([2, 1], None)
    assert len(HISTORY) == 6


def test_history_of_a_device_leaves_out_what_says_nothing(call: Call) -> None:
    offline, ended, started, *_ = call("GET", f"/api/devices/{TV}/history").json()["history"]
    assert offline == {"id": 9, "time": 1_700_003_900.0, "change": "offline"}
    assert started == {
        "id": 5,
        "time": 1_700_000_180.0,
        "change": "exception_start",
        "policy": "direct",
        "until": 1_700_003_780.0,
        "by": "admin",
        "reason": "football",
    }
    assert (ended["policy"], ended["before"], ended["cause"]) == ("blocked", "direct", "time")


def test_device_without_records_has_an_empty_history(call: Call) -> None:
    assert call("GET", f"/api/devices/{PHONE}/history").json() == {"history": [], "next": None}


def test_history_of_a_device_never_seen_is_not_found(call: Call, gateway: FakeGateway) -> None:
    never = "02:00:00:00:00:99"
    assert_error(call("GET", f"/api/devices/{never}/history"), 404, "not_found", "mac")
    gateway.device_history.records[never] = HISTORY  # it was here, and was given up for newer ones
    assert call("GET", f"/api/devices/{never}/history").status_code == 200
