"""The transport: exactly one destination is open for one exchange, and no connection bypasses the egress."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest

from app.addresses import Address
from app.model import Secret
from app.providers.client import ProviderClient
from app.providers.config import ApiConfig
from app.providers.errors import BadAnswerError, ProviderDownError
from app.providers.transport import FirewalledTransport
from tests.support.providers.standin import Answer, StandIn
from tests.support.providers.world import LOOPBACK, World

LOOPBACKS = (ip_network("127.0.0.0/8"),)
DEAD_ADDRESS = ip_address("127.0.0.2")  # nothing listens there
MARK = 0x22


@dataclass
class RecordingEgress:
    names: dict[str, list[Address]] = field(default_factory=dict)
    open_now: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    opened: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    mark: int = 0

    async def lookup(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError(0, f"no name server knows {host}")
        return self.names[host]

    @contextlib.asynccontextmanager
    async def open_path(self, addresses: Sequence[Address], port: int) -> AsyncIterator[int]:
        entry = (tuple(str(a) for a in addresses), port)
        self.opened.append(entry)
        self.open_now.append(entry)
        try:
            yield self.mark
        finally:
            self.open_now.remove(entry)


@pytest.fixture
async def server(world: World) -> StandIn:
    stand_in = StandIn(names=("api.example",))
    stand_in.route("GET", "/ok", lambda _: Answer(200, {"fine": True}))
    stand_in.route("GET", "/away", lambda _: Answer(302, b"", {"location": "https://other.example/"}))
    stand_in.route("GET", "/big", lambda _: Answer(200, b"x" * 300_000))
    await world.serve(stand_in)
    return stand_in


def api(
    world: World, server: StandIn, egress: RecordingEgress, *known: Address, allowed=LOOPBACKS, own=()
) -> ProviderClient:
    outgoing = FirewalledTransport(egress, own=lambda: own, allowed=allowed)
    url = f"https://api.example:{server.port}"
    return ProviderClient(outgoing, ApiConfig(url, addresses=known, ca=str(world.authority.path)), "Example")


async def test_connection_opens_exactly_one_destination_meanwhile(world: World, server: StandIn) -> None:
    egress = RecordingEgress({"api.example": [LOOPBACK]})
    open_at_the_server: list[object] = []
    server.route("GET", "/look", lambda _: open_at_the_server.append(list(egress.open_now)) or Answer(200, {}))
    assert (await api(world, server, egress).send("GET", "/look")).ok
    assert open_at_the_server == [[(("127.0.0.1",), server.port)]]
    assert egress.opened == [(("127.0.0.1",), server.port)]
    assert not egress.open_now


async def test_configured_address_is_used_without_a_look_up(world: World, server: StandIn) -> None:
    egress = RecordingEgress()
    assert (await api(world, server, egress, LOOPBACK).send("GET", "/ok")).ok
    assert not egress.asked


async def test_configured_address_if_dead_is_replaced_by_a_look_up(world: World, server: StandIn) -> None:
    egress = RecordingEgress({"api.example": [LOOPBACK]})
    assert (await api(world, server, egress, DEAD_ADDRESS).send("GET", "/ok")).ok
    assert egress.opened == [(("127.0.0.2",), server.port), (("127.0.0.1",), server.port)]
    assert not egress.open_now


async def test_server_with_another_certificate_gets_no_request(world: World, server: StandIn) -> None:
    """The configured address may belong to another server by now."""
    other = StandIn(names=("other.example",))
    await world.serve(other)
    egress = RecordingEgress()
    with pytest.raises(ProviderDownError) as refused:
        await api(world, other, egress, LOOPBACK).send("GET", "/ok", bearer=Secret("token"))
    assert refused.value.code == "provider_certificate"
    assert not other.seen
    assert not egress.open_now


@pytest.mark.parametrize(
    ("address", "reason"),
    [("192.168.77.9", "own LAN"), ("10.1.2.3", "not on the Internet"), ("::1", "not on the Internet")],
)
async def test_name_resolving_to_the_lan_is_refused(world: World, server: StandIn, address: str, reason: str) -> None:
    egress = RecordingEgress({"api.example": [ip_address(address)]})
    found = api(world, server, egress, allowed=(), own=(ip_network("192.168.77.0/24"),))
    with pytest.raises(ProviderDownError, match=reason):
        await found.send("GET", "/ok")
    assert not egress.opened


async def test_look_up_without_an_answer_opens_no_destination(world: World, server: StandIn) -> None:
    egress = RecordingEgress()
    with pytest.raises(ProviderDownError, match="no name server knows"):
        await api(world, server, egress).send("GET", "/ok")
    assert not egress.opened


async def test_redirect_is_not_followed_and_size_is_limited(world: World, server: StandIn) -> None:
    egress = RecordingEgress({"api.example": [LOOPBACK], "other.example": [LOOPBACK]})
    found = api(world, server, egress)
    assert (await found.send("GET", "/away")).status == 302
    assert egress.asked == ["api.example"]
    with pytest.raises(BadAnswerError, match="more than 262144 bytes"):
        await found.send("GET", "/big")
    assert not egress.open_now


async def test_proxy_in_the_environment_is_ignored(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.getsockname()[1]}")
        egress = RecordingEgress({"api.example": [LOOPBACK]})
        assert (await api(world, server, egress).send("GET", "/ok")).ok
        with pytest.raises(BlockingIOError):
            trap.accept()


async def test_socket_carries_the_mark_of_the_egress(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: list[tuple[int, ...]] = []

    class Recorder(socket.socket):
        def setsockopt(self, *given) -> None:
            options.append(given)

    monkeypatch.setattr("app.https.transport.socket.socket", Recorder)
    egress = RecordingEgress({"api.example": [LOOPBACK]}, mark=MARK)
    assert (await api(world, server, egress).send("GET", "/ok")).ok
    assert (socket.SOL_SOCKET, socket.SO_MARK, MARK) in options


async def test_client_with_an_http_url_is_refused(world: World, server: StandIn) -> None:
    with pytest.raises(ValueError, match="https"):
        ProviderClient(FirewalledTransport(RecordingEgress()), ApiConfig("http://api.example"), "Example")
