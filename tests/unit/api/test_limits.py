"""Rate limits: who is slowed down, what they are told, and who is not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from app.api.limits import BoundedStorage, Limiter, Rates, client_address
from app.errors import TooManyRequestsError
from tests.support.web_server import Clock, WebServer
from tests.support.ws_client import WebSocketClient
from tests.unit.api.conftest import assert_error

LIMIT = "X-RateLimit-Limit"
REMAINING = "X-RateLimit-Remaining"
RESET = "X-RateLimit-Reset"


class From(HTTPAdapter):
    """Requests from one address of the loopback: each is another client."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)  # type: ignore[arg-type]


def client(address: str) -> requests.Session:
    session = requests.Session()
    session.mount("http://", From(address))
    return session


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[WebServer]:
    with WebServer(rates=Rates(general=10, connection=5), clock=clock) as running:
        yield running


def burst(session: requests.Session, url: str, count: int, method: str = "GET") -> list[requests.Response]:
    return [session.request(method, url, timeout=10) for _ in range(count)]


def test_ten_general_requests_a_second(server: WebServer, clock: Clock) -> None:
    with client("127.0.0.2") as session:
        answers = burst(session, f"{server.url}/api/leases", 12)
        refused = [a for a in answers if a.status_code == 429]
        assert len(refused) == 2, [a.elapsed for a in answers]
        assert [int(a.headers[REMAINING]) for a in answers] == [*range(9, -1, -1), 0, 0]
        body = assert_error(refused[0], 429, "rate_limited")
        assert body["error"] == "too many requests: at most 10 a second"
        assert refused[0].headers["Retry-After"] == "1"
        clock.now += float(refused[0].headers["Retry-After"]) + 0.01  # doing as one is told is all it takes
        assert session.get(f"{server.url}/api/leases", timeout=10).status_code == 200


def test_connection_requests_are_limited_to_five_a_second(server: WebServer) -> None:
    """Connection requests have a limit of five a second and a count of their own."""
    with client("127.0.0.2") as session:
        answers = burst(session, f"{server.url}/api/disconnect", 7, "POST")
        assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
        assert {a.headers[LIMIT] for a in answers} == {"5"}
        general = session.get(f"{server.url}/api/status", timeout=10)
        assert (general.status_code, general.headers[REMAINING]) == (200, "9")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/status", 200),
        ("GET", "/api/nothing", 404),
        ("GET", "/api", 404),
        ("PUT", "/api/status", 405),
        ("POST", "/api/connect", 400),
        ("POST", "/api/provider/nowhere", 404),
        ("OPTIONS", "/api/status", 200),
        ("HEAD", "/api/status", 200),
        ("GET", "/health", 200),
    ],
)
def test_the_headers_are_on_every_answer(server: WebServer, method: str, path: str, status: int) -> None:
    answer = requests.request(method, server.url + path, timeout=10)
    assert answer.status_code == status
    limit = 5 if path == "/api/connect" else 10
    assert (answer.headers[LIMIT], answer.headers[REMAINING]) == (str(limit), str(limit - 1))
    assert time.time() < int(answer.headers[RESET]) <= time.time() + 2


def test_cross_site_refusal_has_headers_and_is_not_counted(server: WebServer) -> None:
    """A request refused as cross-site has the limit's headers and is not counted."""
    for _ in range(3):
        answer = requests.post(f"{server.url}/api/connect", headers={"Origin": "http://evil.example"}, timeout=10)
        assert (answer.status_code, answer.headers[LIMIT], answer.headers[REMAINING]) == (403, "5", "5")


def test_errors_count_too(server: WebServer) -> None:
    with client("127.0.0.2") as session:
        assert [a.status_code for a in burst(session, f"{server.url}/api/nothing", 12)] == [404] * 10 + [429] * 2


def test_a_burst_of_one_client_does_not_slow_another(server: WebServer) -> None:
    with client("127.0.0.2") as loud, client("127.0.0.3") as quiet:
        for _ in range(3):
            assert burst(loud, f"{server.url}/api/status", 11)[-1].status_code == 429
            answer = quiet.get(f"{server.url}/api/status", timeout=10)
            assert answer.status_code == 200
            assert int(answer.headers[REMAINING]) >= 7


def test_the_page_and_the_events_are_not_limited(server: WebServer) -> None:
    with requests.Session() as session:
        for path in ("/", "/static/main.js", "/static/none.js", "/favicon.ico", "/nothing"):
            answers = burst(session, server.url + path, 15)
            assert 429 not in {a.status_code for a in answers}
            assert LIMIT not in answers[0].headers
    for _ in range(15):
        with WebSocketClient(server.port) as socket:
            assert socket.receive()


def test_monitors_are_not_starved_by_others(server: WebServer) -> None:
    with client("127.0.0.2") as session:
        burst(session, f"{server.url}/api/status", 11)
        assert session.get(f"{server.url}/health", timeout=10).status_code == 200


# --- the parts alone ----------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(min_value=0.0, max_value=0.6, allow_nan=False), min_size=1, max_size=80),
    st.integers(min_value=1, max_value=10),
)
def test_no_window_of_a_second_ever_has_more(pauses: list[float], rate: int) -> None:
    clock = Clock()
    limiter = Limiter(Rates(general=rate), clock)
    let_through: list[float] = []
    for pause in pauses:
        clock.now += pause
        within = [t for t in let_through if t > clock.now - 1]
        if len(within) == rate:
            with pytest.raises(TooManyRequestsError) as refused:
                limiter.hit("general", "client")
            assert 0 < refused.value.retry_after <= 1
        else:
            state = limiter.hit("general", "client")
            let_through.append(clock.now)
            assert state.remaining == rate - len(within) - 1


def test_memory_is_bounded_for_any_number_of_clients() -> None:
    storage = BoundedStorage(most=100)
    for number in range(10_000):
        assert storage.acquire_entry(f"client {number}", 10, 1)
    assert len(storage) == 100


def test_who_asks_often_is_not_forgotten_for_those_who_ask_once() -> None:
    clock = Clock()
    storage = BoundedStorage(most=10, clock=clock)
    outcomes = []
    for number in range(50):
        outcomes.append(storage.acquire_entry("loud", 5, 1))
        storage.acquire_entry(f"client {number}", 5, 1)
    assert outcomes.count(True) == 5


@pytest.mark.parametrize(
    ("remote", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        (None, ""),
    ],
)
def test_one_spelling_for_an_address(remote: str | None, client: str) -> None:
    assert client_address(remote) == client


def test_the_documented_request_feeds_a_home_of_sensors(server: WebServer) -> None:
    """Twelve sensors asked one by one were told 429; docs/monitoring.md has one request for all of them."""
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
    (payload,) = re.findall(r"^    payload: '(.*)'$", page, re.MULTILINE)
    with client("127.0.0.2") as session:
        answers = [
            session.post(f"{server.url}/graphql", payload, headers={"Content-Type": "application/json"}, timeout=20)
            for _ in range(5)
        ]
    assert [a.status_code for a in answers] == [200] * 5
    assert [int(a.headers[REMAINING]) for a in answers] == [9, 8, 7, 6, 5]
    for answer in answers:
        assert set(answer.json()["data"]) == {"status", "devices", "traffic"}
        assert "errors" not in answer.json()
