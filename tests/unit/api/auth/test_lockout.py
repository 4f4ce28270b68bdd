"""Guessing passwords takes longer and longer, and keeps nobody out who knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from app.api.auth import sign_in
from app.api.auth.lockout import FREE, FREE_FOR_ALL, MAX_CLIENTS, MAX_DELAY, MAX_DELAY_FOR_ALL, Lockout
from app.errors import TooManyRequestsError
from app.model import Lease
from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient
from tests.unit.api.auth.conftest import Client, bearer
from tests.unit.api.conftest import assert_error
from tests.unit.api.test_limits import From

Make = Callable[[], Client]


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lockout(clock: Clock) -> Lockout:
    return Lockout(clock)


def wait_of(lockout: Lockout, client: str, *, known: bool = True) -> float:
    try:
        lockout.attempt(client, known=known)
    except TooManyRequestsError as error:
        return error.retry_after
    return 0.0


def test_each_failure_costs_twice_as_much(lockout: Lockout, clock: Clock) -> None:
    assert [wait_of(lockout, "a") for _ in range(FREE)] == [0.0] * FREE
    waits = []
    for _ in range(12):
        waits.append(wait_of(lockout, "a"))
        assert wait_of(lockout, "a") == waits[-1]  # to be refused costs nothing more
        clock.now += waits[-1]
        assert wait_of(lockout, "a") == 0.0  # whoever waits may try
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, MAX_DELAY, MAX_DELAY, MAX_DELAY]


def test_a_day_of_guessing_is_about_a_hundred_guesses(lockout: Lockout, clock: Clock) -> None:
    end, guesses = clock.now + 24 * 3600, 0
    while clock.now < end:
        wait = wait_of(lockout, "a")
        clock.now += wait
        guesses += wait == 0.0
    assert guesses < 115


def test_success_forgives_and_so_does_a_day(lockout: Lockout, clock: Clock) -> None:
    for _ in range(FREE):
        wait_of(lockout, "a")
    lockout.succeeded("a")
    assert wait_of(lockout, "a") == 0.0
    for _ in range(FREE):
        wait_of(lockout, "a")
    assert wait_of(lockout, "a") > 0
    clock.now += 24 * 3600 + 1
    assert [wait_of(lockout, "a") for _ in range(FREE)] == [0.0] * FREE


def test_others_do_not_wait_for_one(lockout: Lockout) -> None:
    for _ in range(FREE + 1):
        wait_of(lockout, "a")
    assert wait_of(lockout, "b", known=False) == 0.0


def test_many_failing_addresses_delay_strangers_not_the_owner(lockout: Lockout, clock: Clock) -> None:
    """Many addresses that fail together are slowed down; the owner's known address is not."""
    for number in range(FREE_FOR_ALL):
        assert wait_of(lockout, f"client {number}", known=False) == 0.0
    assert wait_of(lockout, "another", known=False) == 2.0
    assert wait_of(lockout, "owner", known=True) == 0.0
    lockout.succeeded("owner")
    for number in range(50):
        clock.now += wait_of(lockout, f"another {number}", known=False)
        wait_of(lockout, f"another {number}", known=False)
    assert wait_of(lockout, "yet another", known=False) == MAX_DELAY_FOR_ALL  # bounded: nobody is shut out for ever
    assert wait_of(lockout, "owner", known=True) == 0.0
    clock.now += 3600 + 1
    assert wait_of(lockout, "yet another", known=False) == 0.0


def test_memory_is_bounded(lockout: Lockout) -> None:
    for number in range(MAX_CLIENTS + 100):
        wait_of(lockout, f"client {number}")
    assert len(lockout._clients) == MAX_CLIENTS


# --- by HTTP ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(state_dir: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """Its attempts go by ``clock``: on a busy machine five hashes take longer than the first wait."""
    monkeypatch.setattr(sign_in, "Lockout", lambda: Lockout(clock))
    with WebServer(state_dir=state_dir) as running:
        yield running


def test_five_wrong_then_one_has_to_wait(client: Make, owner: Client, clock: Clock, server: WebServer) -> None:
    one = client()
    for _ in range(FREE):
        assert_error(one.login("wrong password"), 401, "wrong_password")
    answer = one.login()  # right, and too early
    assert_error(answer, 429, "locked_out")
    assert answer.headers["Retry-After"] == "2"
    assert owner.get("/api/status").status_code == 200  # who is signed in notices nothing
    lease = Lease("02:00:00:00:00:09", "127.0.0.9", "phone", 0)  # addresses without one count together
    server.gateway.state = msgspec.structs.replace(server.gateway.state, leases=(lease,))
    elsewhere = client()
    elsewhere.mount("http://", From("127.0.0.9"))
    assert elsewhere.login().status_code == 200
    clock.now += 2
    assert one.login().status_code == 200


def test_every_way_to_try_the_password_counts(client: Make, owner: Client) -> None:
    for _ in range(FREE - 1):
        answer = owner.post("/api/auth/password", json={"password": "another password", "current": "wrong"})
        assert_error(answer, 403, "wrong_password", "current")
    assert_error(owner.post("/api/auth/totp", json={"password": "wrong"}), 403, "wrong_password", "password")
    assert_error(client().login(), 429, "locked_out")


def test_repeated_failures_are_reported(client: Make, owner: Client, server: WebServer) -> None:
    with WebSocketClient(server.port, headers=bearer(owner.key("read"))) as socket:
        assert socket.receive()
        for _ in range(FREE):
            client().login("wrong password")
        message = socket.receive() or {}
    assert message["type"] == "security_alert"
    assert message["payload"] == {
        "reason": "sign_in_failures",
        "message": "5 failed attempts to sign in from 127.0.0.1; block that device, and sign in from one that has been"
        " here before, by the gateway's IPv4 address",
        "client": "127.0.0.1",
        "failures": 5,
    }
