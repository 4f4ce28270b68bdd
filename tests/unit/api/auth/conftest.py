from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.support.web_server import WebServer

PASSWORD = "correct horse battery"
Bearer = dict[str, str]


class Client(requests.Session):
    """One browser, or one program: it keeps its cookie."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str, url: str, *arguments: object, **options: object) -> requests.Response:  # type: ignore[override]
        options.setdefault("timeout", 20)
        return super().request(method, self._base + url, *arguments, **options)  # type: ignore[arg-type]

    def login(self, password: str = PASSWORD, **more: str) -> requests.Response:
        return self.post("/api/auth/login", json={"password": password, "mode": "cookie", **more})

    def tokens(self, password: str = PASSWORD, **more: str) -> dict[str, str]:
        answer = self.post("/api/auth/login", json={"password": password, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def key(self, scope: str, **more: object) -> str:
        answer = self.post(
            "/api/auth/keys", json={"name": f"my {scope} key", "scope": scope, "password": PASSWORD, **more}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["key"]


def bearer(token: str) -> Bearer:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    made = tmp_path / "web"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def server(state_dir: Path) -> Iterator[WebServer]:
    with WebServer(state_dir=state_dir) as running:
        yield running


@pytest.fixture
def client(server: WebServer) -> Iterator[Callable[[], Client]]:
    """``client()`` is somebody who has not signed in."""
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(server.url))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def owner(client: Callable[[], Client]) -> Client:
    """Who set the password."""
    one = client()
    assert one.post("/api/auth/password", json={"password": PASSWORD}).json() == {"success": True}
    return one
