"""The stored state in the web process: changes by others are noticed, and no request waits on the loop for the disk."""

from __future__ import annotations

import asyncio
import math
import threading
from pathlib import Path

import msgspec
import pytest

from app.api.auth.first_password import FirstPasswordWindow
from app.auth import store as stored
from app.auth.state import AuthState, Key, Password
from app.auth.store import AuthStore
from app.model import Secret
from app.web.app import create_app
from tests.support.fake_gateway import FakeGateway
from tests.support.file_calls import blocking_file_calls
from tests.unit.api.auth.conftest import PASSWORD

KEY = Key("1", "a key", "read", "digest", 1.0, None)


def with_key(state: AuthState) -> AuthState:
    return msgspec.structs.replace(state, keys=(KEY,))


async def test_no_request_touches_a_file_on_the_event_loop(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AuthStore.refresh, "__defaults__", (0.0,))  # every request looks
    app = create_app(FakeGateway(), state_dir=state_dir, rates=None, window=FirstPasswordWindow(math.inf))
    origin = {"Host": "localhost"}
    async with app.test_app():
        client = app.test_client()
        with blocking_file_calls(state_dir) as found:
            made = await client.post("/api/auth/password", json={"password": PASSWORD}, headers=origin)
            assert made.status_code == 200, await made.get_data()
            login = await client.post("/api/auth/login", json={"password": PASSWORD}, headers=origin)
            token = (await login.get_json())["access_token"]
            bearer = {**origin, "Authorization": f"Bearer {token}"}
            assert (await client.get("/api/status", headers=bearer)).status_code == 200
            assert (await app.test_client().get("/api/status", headers=origin)).status_code == 401
            assert (await client.get("/", headers=origin)).status_code == 200
        assert found == []
    assert (state_dir / "auth.json").exists()


async def test_what_the_command_line_does_is_noticed_by_the_next_look(state_dir: Path) -> None:
    store = AuthStore(state_dir)
    stored.change(state_dir, with_key)
    assert store.state.keys == ()
    with blocking_file_calls(state_dir) as found:
        await store.refresh(max_age=60)
        assert store.state.keys == ()
        await store.refresh(max_age=0)
    assert store.state.keys == (KEY,)
    assert found == []


async def test_a_look_that_began_before_a_change_does_not_undo_it(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was revoked must not come back for half a second because the disk was slow."""
    store = AuthStore(state_dir)
    await store.update(with_key)
    begun, go_on = threading.Event(), threading.Event()
    load = stored.load

    def slow(directory: Path) -> AuthState | None:
        found = load(directory)
        if not begun.is_set():
            begun.set()
            assert go_on.wait(20)
        return found

    stored.change(state_dir, lambda state: msgspec.structs.replace(state, totp=None, keys=(KEY, KEY)))  # something new
    monkeypatch.setattr(stored, "load", slow)
    early = asyncio.create_task(store.refresh(max_age=0))
    assert await asyncio.to_thread(begun.wait, 20)
    late = asyncio.create_task(store.update(lambda state: msgspec.structs.replace(state, keys=())))
    assert await asyncio.to_thread(written, state_dir)
    await asyncio.wait({late}, timeout=0.2)  # it would be done by now if it did not wait for the other's look
    go_on.set()
    await early
    assert (await late).keys == ()
    assert store.state.keys == ()


def written(state_dir: Path) -> bool:
    """Wait until the file has no keys."""
    for _ in range(2000):
        state = msgspec.json.decode((state_dir / "auth.json").read_bytes())
        if not state.get("keys"):
            return True
        threading.Event().wait(0.01)
    return False


async def test_a_damaged_file_lets_nobody_in_until_it_is_whole_again(state_dir: Path) -> None:
    store = AuthStore(state_dir)
    await store.update(lambda state: msgspec.structs.replace(state, password=Password(Secret("x"), 1.0)))
    whole = (state_dir / "auth.json").read_bytes()
    (state_dir / "auth.json").write_text("garbage")
    await store.refresh(max_age=0)
    assert store.damaged
    assert store.state.password is not None
    (state_dir / "auth.json").write_bytes(whole)
    await store.refresh(max_age=0)
    assert not store.damaged
