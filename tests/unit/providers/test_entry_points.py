"""Providers of other packages: a distribution as installed by pip, found on ``sys.path``."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import keys
from app.errors import NotFoundError, NotImplementedYetError
from app.model import Secret
from app.providers.base import AccountProvider, Provider, Verdict
from app.providers.errors import WrongCredentialsError
from app.providers.registry import Registry
from app.store import Store
from tests.support.providers.keys import key
from tests.support.providers.standin import Answer, Request, StandIn
from tests.support.providers.world import World

MODULE = """
from app.model import Server
from app.providers.base import Capabilities, no_such_server
from app.providers.mullvad import MullvadProvider


class Plain:
    name = "plain"
    title = "Plain VPN"
    capabilities = Capabilities()

    def __init__(self, environment):
        self.environment = environment

    async def servers(self):
        return (Server(hostname="one", provider=self.name, country="Sweden"),)

    async def tunnel(self, hostname):
        raise no_such_server(self.title)


class WithAccounts(MullvadProvider):
    name = "with_accounts"
    title = "Accounts VPN"


class Second(Plain):
    name = "mullvad"


class Elsewhere(Plain):
    name = "other"


class Unspeakable(Plain):
    name = "../etc"


class Pretender(Plain):
    name = "pretender"
    capabilities = Capabilities(sign_in=True)


class Nothing:
    def __init__(self, environment):
        pass


def explode(environment):
    raise RuntimeError("no")
"""

ENTRY_POINTS = """[vpn_gateway.providers]
plain = vpn_example:Plain
with_accounts = vpn_example:WithAccounts
mullvad = vpn_example:Second
elsewhere = vpn_example:Elsewhere
../etc = vpn_example:Unspeakable
pretender = vpn_example:Pretender
nothing = vpn_example:Nothing
explode = vpn_example:explode
absent = vpn_example:absent
missing = vpn_no_such_module:x
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    site = tmp_path / "site"
    info = site / "vpn_example-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "vpn_example.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vpn-example\nVersion: 1.0\n")
    (info / "RECORD").write_text("vpn_example.py,,\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    yield site
    sys.modules.pop("vpn_example", None)


@pytest.fixture
def store(world: World) -> Iterator[Store]:
    found = Store(world.directory / "store")
    found.load()
    yield found
    found.close()


async def test_package_with_entry_points_adds_its_valid_providers(
    package: Path, store: Store, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    environment = world.environment()
    registry = Registry(store, environment)
    ours = Registry.__module__
    assert registry.names[-2:] == ("plain", "with_accounts")
    plain = registry.get("plain")
    assert isinstance(plain, Provider)
    assert [s.hostname for s in await plain.servers()] == ["one"]
    assert plain.environment is environment  # type: ignore[attr-defined]
    assert isinstance(registry.get("with_accounts"), AccountProvider)
    assert type(registry.get("mullvad")).__module__ == "app.providers.mullvad"
    log = caplog.text
    for name in ("elsewhere", "pretender", "nothing", "explode", "absent", "missing", "mullvad"):
        assert name in log, name
    for name in ("elsewhere", "other", "../etc", "pretender", "nothing", "explode", "absent", "missing"):
        with pytest.raises(NotFoundError):
            registry.get(name)
    assert all(record.levelno >= logging.WARNING for record in caplog.records if record.name == ours)


async def test_registry_without_the_package_has_no_provider_of_it(store: Store, world: World) -> None:
    assert "plain" not in Registry(store, world.environment()).names


# --- The example of docs/providers.md --------------------------------------------------------------------------------

DOCS = Path(__file__).parents[3] / "docs" / "providers.md"


class ExampleVpn(StandIn):
    """The API of the example, as far as the example uses it."""

    def __init__(self) -> None:
        super().__init__(names=("api.vpn.example",))
        self.registered: str | None = None
        self.route("POST", "/keys", self._register)
        self.route("DELETE", "/keys", self._forget)
        self.route("GET", "/account", lambda _: Answer(200, {}))
        entries = [{"name": "one", "ip": "185.10.0.1", "key": key(1)}, {"name": "two", "ip": "10.0.0.1", "key": key(2)}]
        self.route("GET", "/servers", lambda _: Answer(200, entries))

    def _register(self, request: Request) -> Answer:
        if request.headers["authorization"] != "Bearer right":
            return Answer(401, {})
        self.registered = request.json()["key"]
        return Answer(200, {"address": "10.9.0.2/32"})

    def _forget(self, _request: Request) -> Answer:
        self.registered = None
        return Answer(200, {})


async def test_example_provider_of_the_documentation_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, world: World
) -> None:
    text = DOCS.read_text("utf-8").partition("## A provider of your own")[2]
    (tmp_path / "vpn_documented.py").write_text(text.partition("```python\n")[2].partition("```")[0])
    info = tmp_path / "vpn_documented-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vpn-documented\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vpn_gateway.providers]\nexample = vpn_documented:ExampleProvider\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    stand_in = ExampleVpn()
    await world.serve(stand_in, example="https://api.vpn.example")
    provider = Registry(store, world.environment()).get("example")
    assert isinstance(provider, AccountProvider)
    with pytest.raises(WrongCredentialsError, match="does not know this token"):
        await provider.sign_in({"token": Secret("wrong")})
    assert (await provider.sign_in({"token": Secret("right")})).signed_in
    listed = await provider.refresh()
    assert [server.hostname for server in await provider.servers()] == ["one"]
    assert [(entry.entry, entry.reason) for entry in listed.skipped] == [("two", "ip is not on the Internet")]
    config = await provider.tunnel("one")
    assert keys.public_key(config.private_key) == stand_in.registered
    assert str(config.peers[0].endpoint) == "185.10.0.1:51820"
    assert await provider.diagnose() is Verdict.HEALTHY
    with pytest.raises(NotImplementedYetError):
        await provider.rotate_key()
    assert await provider.sign_out() == ()
    assert stand_in.registered is None
    sys.modules.pop("vpn_documented", None)
