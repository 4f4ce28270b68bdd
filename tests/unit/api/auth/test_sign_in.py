"""Password, browser sessions: as somebody on the LAN goes about it."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from app.api.auth import credential_routes, sessions, tokens
from app.auth import passwords
from app.protocol.events import ServersChanged
from tests.support.web_server import WebServer
from tests.support.ws_client import RefusedError, WebSocketClient
from tests.unit.api.auth.conftest import PASSWORD, Client, bearer
from tests.unit.api.conftest import assert_error

Make = Callable[[], Client]


def cookie_of(one: Client) -> dict[str, str]:
    (cookie,) = one.cookies
    return {"Cookie": f"{cookie.name}={cookie.value}"}


def test_open_until_a_password_is_set(client: Make) -> None:
    one = client()
    assert one.get("/api/auth/session").json() == {
        "available": True,
        "password_set": False,
        "second_factor": False,
        "authenticated": True,
        "kind": "open",
        "scope": "admin",
        "first_password_seconds": 86400,  # here the window never closes
    }
    assert one.get("/api/status").status_code == 200
    assert one.post("/api/disconnect").json()["success"] is True
    # What means nothing yet does not get in the way.
    assert one.get("/api/status", headers=bearer("rubbish")).status_code == 200
    assert_error(one.login(), 409, "no_password")
    assert_error(one.post("/api/auth/keys", json={"name": "x"}), 403, "set_password_first")


def test_then_everybody_has_to_sign_in(client: Make, owner: Client) -> None:
    other = client()
    answer = other.get("/api/status")
    assert_error(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vpn-gateway"'
    assert_error(other.post("/api/disconnect"), 401, "unauthorized")
    assert other.get("/api/auth/session").json() == {
        "available": True,
        "password_set": True,
        "second_factor": False,
        "authenticated": False,
        "kind": None,
        "scope": None,
        "first_password_seconds": None,
    }
    assert owner.get("/api/status").status_code == 200
    assert other.login().json() == {"success": True}
    assert other.get("/api/status").status_code == 200
    assert other.get("/api/auth/session").json()["kind"] == "browser"


def test_what_stays_open(client: Make, owner: Client) -> None:
    other = client()
    for path in ("/health", "/", "/static/main.js", "/static/css/base.css", "/favicon.ico", "/api/auth/session"):
        assert other.get(path).status_code == 200, path
    assert_error(other.get("/api/nothing"), 404, "not_found")


def test_the_cookie_is_for_this_site_and_no_script(client: Make, owner: Client) -> None:
    header = client().login().headers["Set-Cookie"]
    assert re.fullmatch(
        r"vpn_gateway_session=[\w-]{43}; Expires=[^;]+; Max-Age=2592000; HttpOnly; Path=/; SameSite=Strict", header
    )


def test_a_wrong_password(client: Make, owner: Client) -> None:
    one = client()
    answer = one.login("wrong password")
    assert_error(answer, 401, "wrong_password")
    assert "WWW-Authenticate" in answer.headers
    assert not one.cookies
    assert "Set-Cookie" not in answer.headers


def test_forged_cookie_is_refused(client: Make, owner: Client) -> None:
    for value in ("x", "a" * 43, "\"';--", "a" * 3000):
        answer = client().get("/api/status", headers={"Cookie": f"vpn_gateway_session={value}"})
        assert_error(answer, 401, "unauthorized")


def test_signing_out_ends_it_for_good(client: Make, owner: Client) -> None:
    one = client()
    one.login()
    kept = cookie_of(one)
    assert one.post("/api/auth/logout").json() == {"success": True}
    assert not one.cookies
    assert_error(client().get("/api/status", headers=kept), 401, "unauthorized")
    assert owner.get("/api/status").status_code == 200
    assert_error(one.post("/api/auth/logout"), 401, "unauthorized")


def test_another_password_ends_every_other_session(client: Make, owner: Client) -> None:
    browser, program = client(), client()
    browser.login()
    tokens = program.tokens()
    key = bearer(owner.key("read"))
    answer = owner.post("/api/auth/password", json={"password": "another good password", "current": PASSWORD})
    assert answer.json() == {"success": True}
    assert owner.get("/api/status").status_code == 200
    assert_error(browser.get("/api/status"), 401, "unauthorized")
    assert_error(program.get("/api/status", headers=bearer(tokens["access_token"])), 401, "invalid_token")
    body = {"refresh_token": tokens["refresh_token"]}
    assert_error(program.post("/api/auth/refresh", json=body), 401, "invalid_token")
    assert program.get("/api/status", headers=key).status_code == 200
    assert_error(browser.login(), 401, "wrong_password")
    assert browser.login("another good password").status_code == 200


def test_changing_it_takes_the_present_one(client: Make, owner: Client) -> None:
    new = {"password": "another good password"}
    assert_error(owner.post("/api/auth/password", json=new), 422, "missing_field", "current")
    answer = owner.post("/api/auth/password", json={**new, "current": "not it"})
    assert_error(answer, 403, "wrong_password", "current")
    assert_error(client().post("/api/auth/password", json={**new, "current": PASSWORD}), 401, "unauthorized")
    assert client().login().status_code == 200


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "at least 10"),
        ("ninechars", "at least 10"),
        ("ababababababab", "easy to guess"),
        ("x" * 1025, "<= 1024"),
        ("\N{ROMAN NUMERAL EIGHT}" * 3, "easy to guess"),
    ],
)
def test_weak_passwords_are_refused(client: Make, password: str, reason: str) -> None:
    one = client()
    body = assert_error(one.post("/api/auth/password", json={"password": password}), 422, "invalid_field", "password")
    assert reason in body["error"]
    assert one.get("/api/auth/session").json()["password_set"] is False


def test_one_password_however_it_is_typed(client: Make) -> None:
    """Some systems compose accents and others do not (NFKC)."""
    client().post("/api/auth/password", json={"password": "cafe\N{COMBINING ACUTE ACCENT} au lait"})
    assert client().login("caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait").status_code == 200


def test_only_one_of_many_sets_the_first_password(client: Make) -> None:
    clients = [client() for _ in range(6)]

    def claim(number: int) -> int:
        body = {"password": f"password number {number}"}
        return clients[number].post("/api/auth/password", json=body).status_code

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(claim, range(6)))
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 401, 409, 422}
    winner = statuses.index(200)
    assert clients[winner].get("/api/status").status_code == 200
    assert client().login(f"password number {winner}").status_code == 200


def test_the_list_of_sessions(client: Make, owner: Client) -> None:
    one = client()
    one.headers["User-Agent"] = "Telly/7\t(kitchen)"
    one.login()
    found = owner.get("/api/auth/sessions").json()["sessions"]
    assert [(s["kind"], s["current"], s["address"]) for s in sorted(found, key=lambda s: s["current"])] == [
        ("browser", False, "127.0.0.1"),
        ("browser", True, "127.0.0.1"),
    ]
    telly = next(s for s in found if not s["current"])
    assert telly["agent"] == "Telly/7(kitchen)"
    assert telly["created"] <= time.time() < telly["expires"]
    assert owner.delete(f"/api/auth/sessions/{telly['id']}").json() == {"success": True}
    assert_error(one.get("/api/status"), 401, "unauthorized")
    assert_error(owner.delete(f"/api/auth/sessions/{telly['id']}"), 404, "not_found", "id")


def test_sessions_are_few_and_the_oldest_goes_first(
    client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.auth.sessions.MAX_SESSIONS", 4)
    clients = [client() for _ in range(5)]
    for one in clients:
        one.login()
    assert [c.get("/api/status").status_code for c in (owner, *clients)] == [401, 401, 200, 200, 200, 200]


def test_session_expires(client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr("app.api.auth.credentials.time.time", lambda: now + 30 * 24 * 3600 - 60)
    assert owner.get("/api/status").status_code == 200
    monkeypatch.setattr("app.api.auth.credentials.time.time", lambda: now + 30 * 24 * 3600 + 60)
    assert_error(owner.get("/api/status"), 401, "unauthorized")


# --- WebSockets ---------------------------------------------------------------------------------------------------


def test_events_need_credentials_too(server: WebServer, owner: Client) -> None:
    with pytest.raises(RefusedError) as refused:
        WebSocketClient(server.port)
    assert (refused.value.status, refused.value.body["code"]) == (401, "unauthorized")
    assert server.hub.listeners == 0
    for headers in (cookie_of(owner), bearer(owner.key("read")), bearer(owner.tokens()["access_token"])):
        with WebSocketClient(server.port, headers=headers) as socket:
            assert (socket.receive() or {})["type"] == "status_change"


def test_a_token_in_the_address_is_not_taken(server: WebServer, owner: Client) -> None:
    """Addresses end up in histories and logs."""
    key = owner.key("read")
    for name in ("token", "access_token", "key"):
        with pytest.raises(RefusedError):
            WebSocketClient(server.port, f"/ws?{name}={key}")
        assert requests.get(f"{server.url}/api/status?{name}={key}", timeout=10).status_code == 401


def test_who_looks_on_is_sent_away_when_a_password_is_set(server: WebServer, client: Make) -> None:
    with WebSocketClient(server.port) as socket:
        assert socket.receive()
        assert (socket.receive() or {})["payload"]["reason"] == "no_password"
        client().post("/api/auth/password", json={"password": PASSWORD})
        alert = socket.receive() or {}
        assert (alert["type"], alert["payload"]["reason"]) == ("security_alert", "first_password")
        assert alert["payload"]["client"] == "127.0.0.1"
        assert socket.receive() is None
        assert socket.closed is not None
        assert (socket.closed.code, socket.closed.reason) == (1008, "sign in again")


def test_who_looks_on_is_sent_away_when_the_session_ends(server: WebServer, client: Make, owner: Client) -> None:
    one = client()
    one.login()
    with WebSocketClient(server.port, headers=cookie_of(one)) as socket:
        assert socket.receive()
        one.post("/api/auth/logout")
        assert socket.receive() is None


@pytest.mark.parametrize("kind", ["key", "token", "session"])
def test_who_looks_on_is_sent_away_when_what_was_shown_runs_out(
    server: WebServer, client: Make, owner: Client, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_routes, "DAY", 2.0)
    monkeypatch.setattr(tokens, "ACCESS", 3)  # in whole seconds, from the last one that is full
    monkeypatch.setattr(sessions, "SESSION_LIFETIME", 2.0 if kind == "session" else 60.0)
    lasting = bearer(owner.key("read", expires_in_days=60))
    one = client()
    if kind == "session":
        one.login()
    short = {
        "key": lambda: bearer(owner.key("connect", expires_in_days=1)),
        "token": lambda: bearer(owner.tokens()["access_token"]),
        "session": lambda: cookie_of(one),
    }[kind]()
    with (
        WebSocketClient(server.port, headers=lasting) as other,
        WebSocketClient(server.port, headers=short) as events,
        WebSocketClient(server.port, "/graphql", short, subprotocols=["graphql-transport-ws"]) as graphql,
    ):
        assert events.receive()
        for socket in (events, graphql):
            while (message := socket.receive()) is not None:
                assert message["type"] == "heartbeat"
            assert socket.closed is not None
            assert (socket.closed.code, socket.closed.reason) == (1008, "sign in again")
        assert other.receive()
        server.run(lambda: server.gateway.publish(ServersChanged("mullvad")))
        assert (other.receive() or {})["type"] == "server_update"  # nobody else is disturbed


# --- what is kept -------------------------------------------------------------------------------------------------


def test_it_survives_a_restart(state_dir: Path) -> None:
    with WebServer(state_dir=state_dir) as first, Client(first.url) as owner:
        owner.post("/api/auth/password", json={"password": PASSWORD})
        cookie, key, tokens = cookie_of(owner), owner.key("connect"), owner.tokens()
        ended = owner.tokens()
        owner.post("/api/auth/logout", headers=bearer(ended["access_token"]))
    with WebServer(state_dir=state_dir) as second, Client(second.url) as one:
        assert one.get("/api/status", headers=cookie).status_code == 200
        assert one.get("/api/status", headers=bearer(key)).status_code == 200
        assert one.get("/api/status", headers=bearer(tokens["access_token"])).status_code == 200
        assert_error(one.get("/api/status", headers=bearer(ended["access_token"])), 401, "invalid_token")
        assert_error(one.get("/api/status"), 401, "unauthorized")
        assert one.login().status_code == 200


def test_stored_state_is_private_and_holds_only_hashes(state_dir: Path, owner: Client) -> None:
    """The file is readable by its owner alone, and no credential can be taken out of it."""
    tokens, key = owner.tokens(), owner.key("admin")
    path = state_dir / "auth.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(p.stat().st_mode) for p in state_dir.iterdir()} == {0o600}
    text = path.read_text()
    (cookie,) = owner.cookies
    for secret in (PASSWORD, key, cookie.value, tokens["access_token"], tokens["refresh_token"]):
        assert secret
        assert secret not in text
    assert json.loads(text)["password"]["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_unreadable_file_refuses_every_sign_in(state_dir: Path, server: WebServer, client: Make) -> None:
    one = client()
    one.post("/api/auth/password", json={"password": PASSWORD})
    path = state_dir / "auth.json"
    good = path.read_bytes()
    time.sleep(0.6)
    path.write_bytes(good[:-10])
    time.sleep(0.6)
    stranger = client()
    assert stranger.get("/api/status").status_code == 401
    assert stranger.get("/api/auth/session").json()["password_set"] is True
    assert_error(stranger.login(), 503, "unavailable")
    assert one.get("/api/status").status_code == 200  # what was read before stays true
    assert path.read_bytes() == good[:-10]
    path.write_bytes(good)
    time.sleep(0.6)
    assert stranger.login().status_code == 200


def test_start_with_a_damaged_file_refuses_every_sign_in(state_dir: Path) -> None:
    (state_dir / "auth.json").write_text("{}")
    with WebServer(state_dir=state_dir) as server, Client(server.url) as one:
        assert one.get("/api/status").status_code == 401
        assert one.get("/health").status_code == 200
        assert one.post("/api/auth/password", json={"password": PASSWORD}).status_code == 401
    assert (state_dir / "auth.json").read_text() == "{}"


def test_a_disk_that_is_full_changes_nothing(
    client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    before = (state_dir / "auth.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("app.auth.store.write_atomic", full)
    answer = owner.post("/api/auth/password", json={"password": "another good password", "current": PASSWORD})
    assert_error(answer, 503, "unavailable")
    assert (state_dir / "auth.json").read_bytes() == before
    assert owner.get("/api/status").status_code == 200


def test_without_a_place_for_it_there_is_no_password(client: Make) -> None:
    with WebServer() as server, Client(server.url) as one:
        assert one.get("/api/auth/session").json()["available"] is False
        assert_error(one.post("/api/auth/password", json={"password": PASSWORD}), 409, "no_state_dir")
        assert_error(one.get("/api/auth/keys"), 403, "set_password_first")
        assert_error(one.login(), 409, "no_state_dir")
        assert one.get("/api/status").status_code == 200


def test_nothing_secret_is_logged_or_answered(client: Make, owner: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens, key = owner.tokens(), owner.key("admin")
    wrong = "a wrong password!"
    answers = [
        client().login(wrong),
        client().post("/api/auth/login", json={"password": PASSWORD, "extra": 1}),
        client().post("/api/auth/login", json={"password": [PASSWORD]}),
        client().post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"] + "x"}),
        client().get("/api/status", headers=bearer(key + "x")),
        owner.get("/api/auth/keys"),
        owner.get("/api/auth/sessions"),
        owner.get("/api/auth/session"),
        owner.post("/api/auth/password", json={"password": "short", "current": PASSWORD}),
    ]
    (cookie,) = owner.cookies
    secrets = [PASSWORD, wrong, key, cookie.value, tokens["access_token"], tokens["refresh_token"]]
    said = caplog.text + "".join(a.text + str(a.headers) for a in answers)
    assert "wrong_password" in said
    assert [s for s in secrets if s and s in said] == []


# --- many at once -------------------------------------------------------------------------------------------------


def test_only_one_password_is_hashed_at_a_time(client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    lock = threading.Lock()
    matches = passwords._matches

    def counted(*arguments: object) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return matches(*arguments)  # type: ignore[arg-type]
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(passwords, "_matches", counted)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: client().login(), range(24)))
    codes = [a.json().get("code") for a in answers]
    assert most == 1
    assert set(codes) <= {None, "busy", "locked_out"}, codes
    assert None in codes
    assert all("Retry-After" in a.headers for a in answers if a.status_code == 429)
