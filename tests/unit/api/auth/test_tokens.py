"""JSON Web Tokens and API keys: what they open, and the ways to forge or steal them that do not work."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.unit.api.auth.conftest import PASSWORD, Client, bearer
from tests.unit.api.conftest import assert_error

Make = Callable[[], Client]


def refresh(one: Client, token: str) -> Any:
    return one.post("/api/auth/refresh", json={"refresh_token": token})


def test_tokens(client: Make, owner: Client) -> None:
    one = client()
    made = one.tokens()
    assert made.keys() == {"success", "access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (made["token_type"], made["expires_in"], made["scope"]) == ("Bearer", 900, "admin")
    assert not one.cookies
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {made['access_token']}"}
        assert one.get("/api/auth/session", headers=headers).json()["kind"] == "token"


def test_renewing_them(client: Make, owner: Client) -> None:
    one = client()
    first = one.tokens(scope="read")
    second = refresh(one, first["refresh_token"]).json()
    third = refresh(one, second["refresh_token"]).json()
    assert len({t["refresh_token"] for t in (first, second, third)}) == 3
    assert third["scope"] == "read"
    assert one.get("/api/status", headers=bearer(third["access_token"])).status_code == 200


def test_a_refresh_token_used_twice_ends_the_whole_family(client: Make, owner: Client) -> None:
    """Whether the thief or the owner comes second: both are out."""
    one = client()
    first = one.tokens()
    second = refresh(one, first["refresh_token"]).json()
    assert_error(refresh(one, first["refresh_token"]), 401, "invalid_token")
    assert_error(refresh(one, second["refresh_token"]), 401, "invalid_token")
    for made in (first, second):
        assert_error(one.get("/api/status", headers=bearer(made["access_token"])), 401, "invalid_token")
    assert owner.get("/api/status").status_code == 200


def test_signing_out_ends_the_family(client: Make, owner: Client) -> None:
    one = client()
    made = one.tokens()
    assert one.post("/api/auth/logout", headers=bearer(made["access_token"])).status_code == 200
    assert_error(one.get("/api/status", headers=bearer(made["access_token"])), 401, "invalid_token")
    assert_error(refresh(one, made["refresh_token"]), 401, "invalid_token")


def test_they_expire(client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    one = client()
    now = time.time()
    long_ago = now - 901
    with monkeypatch.context() as patch:
        patch.setattr("app.api.auth.tokens.time.time", lambda: long_ago)
        made = one.tokens()
    assert_error(one.get("/api/status", headers=bearer(made["access_token"])), 401, "invalid_token")
    assert refresh(one, made["refresh_token"]).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr("app.api.auth.tokens.time.time", lambda: now - 31 * 24 * 3600)
        old = one.tokens()
    assert_error(refresh(one, old["refresh_token"]), 401, "invalid_token")


def test_clock_that_went_back_locks_no_client_out(client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    one = client()
    future = time.time() + 3600
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: future)
        made = one.tokens()
    assert one.get("/api/status", headers=bearer(made["access_token"])).status_code == 200
    assert refresh(one, made["refresh_token"]).status_code == 200


def test_each_kind_is_for_its_purpose(client: Make, owner: Client) -> None:
    one = client()
    made = one.tokens()
    assert_error(one.get("/api/status", headers=bearer(made["refresh_token"])), 401, "invalid_token")
    assert_error(refresh(one, made["access_token"]), 401, "invalid_token")
    (cookie,) = owner.cookies
    assert_error(one.get("/api/status", headers=bearer(cookie.value or "")), 401, "invalid_token")
    answer = one.get("/api/status", headers={"Cookie": f"vpn_gateway_session={made['access_token']}"})
    assert_error(answer, 401, "unauthorized")


# --- forgeries ----------------------------------------------------------------------------------------------------


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def resigned(token: str, header: dict[str, object], key: bytes | None, **claims: object) -> str:
    """The token with other contents, signed with ``key`` (HS256), or not at all."""
    body = jwt.decode(token, options={"verify_signature": False}) | claims
    text = f"{part(header)}.{part(body)}"
    if key is None:
        return f"{text}."
    signature = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


HS256 = {"alg": "HS256", "typ": "JWT"}


def test_forged_tokens_are_refused(client: Make, owner: Client, state_dir: Path) -> None:
    one = client()
    good = one.tokens()["access_token"]
    key = bytes.fromhex(json.loads((state_dir / "auth.json").read_text())["signing_key"])
    assert one.get("/api/status", headers=bearer(resigned(good, HS256, key))).status_code == 200  # the control
    head, body, signature = good.split(".")
    forged = {
        "alg none": resigned(good, {"alg": "none", "typ": "JWT"}, None),
        "alg None": resigned(good, {"alg": "None", "typ": "JWT"}, None),
        "alg none, signed": resigned(good, {"alg": "none", "typ": "JWT"}, key),
        "alg missing": resigned(good, {"typ": "JWT"}, key),
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "another key": resigned(good, HS256, b"\0" * 32),
        "an empty key": resigned(good, HS256, b""),
        "a public key for an HMAC": resigned(good, {"alg": "RS256", "typ": "JWT"}, key),
        "HS384 in name": resigned(good, {"alg": "HS384", "typ": "JWT"}, key),
        "a key of its own": resigned(good, {**HS256, "jwk": {"kty": "oct", "k": "AAAA"}}, b"\0\0\0"),
        "a key file": resigned(good, {**HS256, "kid": "../../../../dev/null"}, b""),
        "a critical extension": resigned(good, {**HS256, "crit": ["x"], "x": 1}, key),
        "another audience": resigned(good, HS256, key, aud="refresh"),
        "another issuer": resigned(good, HS256, key, iss="evil"),
        "another session": resigned(good, HS256, key, sid="0" * 16),
        "no session": resigned(good, HS256, key, sid=None),
        "never expires": resigned(good, HS256, key, exp=None),
        "expired": resigned(good, HS256, key, exp=int(time.time()) - 1),
        "expires in words": resigned(good, HS256, key, exp="never"),
        "not yet": resigned(good, HS256, key, nbf=int(time.time()) + 600),
        "changed signature": f"{head}.{body}.{signature[:-4]}AAAA",
        "empty": "..",
        "deep": f"{head}.{base64.urlsafe_b64encode(b'[' * 1000).decode()}.{signature}",
        "long": good + "A" * 3000,
        "not ASCII": "\xe9\xe9.\xe9.\xe9",
    }
    for what, token in forged.items():
        answer = one.get("/api/status", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
        assert answer.status_code == 401, what
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vpn-gateway", error="invalid_token"', what


def test_more_scope_cannot_be_written_into_a_token(client: Make, owner: Client, state_dir: Path) -> None:
    """Not even with the key: the session says what it may do."""
    one = client()
    good = one.tokens(scope="read")["access_token"]
    key = bytes.fromhex(json.loads((state_dir / "auth.json").read_text())["signing_key"])
    answer = one.post("/api/disconnect", headers=bearer(resigned(good, HS256, key, scope="admin")))
    assert_error(answer, 403, "insufficient_scope")


@pytest.mark.parametrize("header", ["Basic YWRtaW46eA==", "Bearer", "Bearer ", "Token x", "", "Bearer " + "x" * 5000])
def test_other_credentials_are_refused(client: Make, owner: Client, header: str) -> None:
    assert_error(client().get("/api/status", headers={"Authorization": header}), 401, "invalid_token")


def test_bad_credentials_beside_a_good_cookie_are_refused(owner: Client) -> None:
    """Whoever sends both means the header."""
    assert_error(owner.get("/api/status", headers=bearer("rubbish")), 401, "invalid_token")


# --- API keys -----------------------------------------------------------------------------------------------------


def test_keys(client: Make, owner: Client) -> None:
    made = owner.post(
        "/api/auth/keys", json={"name": "Grafana", "scope": "read", "expires_in_days": 90, "password": PASSWORD}
    ).json()
    assert made["key"].startswith("vgw_")
    assert len(base64.urlsafe_b64decode(made["key"][4:] + "=")) == 32
    one = client()
    assert one.get("/api/status", headers=bearer(made["key"])).status_code == 200
    listed = owner.get("/api/auth/keys")
    assert made["key"] not in listed.text
    (key,) = listed.json()["keys"]
    assert (key["id"], key["name"], key["scope"]) == (made["id"], "Grafana", "read")
    assert 89 * 86400 < key["expires"] - time.time() <= 90 * 86400
    assert key["created"] <= key["last_used"] <= time.time()
    assert_error(
        owner.post("/api/auth/keys", json={"name": "Grafana", "password": PASSWORD}), 409, "name_in_use", "name"
    )
    assert owner.delete(f"/api/auth/keys/{key['id']}").json() == {"success": True}
    assert_error(one.get("/api/status", headers=bearer(made["key"])), 401, "invalid_token")
    assert_error(owner.delete(f"/api/auth/keys/{key['id']}"), 404, "not_found", "id")


def test_keys_expire(client: Make, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    key = owner.key("read", expires_in_days=1)
    now = time.time()
    monkeypatch.setattr("app.api.auth.credentials.time.time", lambda: now + 86400 + 1)
    assert_error(client().get("/api/status", headers=bearer(key)), 401, "invalid_token")


def test_keys_are_few(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.auth.api_keys.MAX_KEYS", 1)
    owner.key("read")
    assert_error(owner.post("/api/auth/keys", json={"name": "two", "password": PASSWORD}), 409, "too_many_keys")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x", "scope": "public"}, "scope"),
        ({"name": "x", "scope": "root"}, "scope"),
        ({"name": "x", "expires_in_days": 0}, "expires_in_days"),
        ({"name": "x", "expires_in_days": 1.5}, "expires_in_days"),
    ],
)
def test_bad_keys_are_refused(owner: Client, body: dict[str, object], field: str) -> None:
    assert_error(owner.post("/api/auth/keys", json=body), 422, "invalid_field", field)
    assert owner.get("/api/auth/keys").json() == {"keys": []}


def test_a_key_does_not_sign_out(owner: Client) -> None:
    assert_error(owner.post("/api/auth/logout", headers=bearer(owner.key("read"))), 409, "not_a_session")
