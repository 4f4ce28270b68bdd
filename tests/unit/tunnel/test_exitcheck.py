"""The exit check: reading the answer, confirming it with the provider, and the HTTP exchange."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.addresses import Address
from app.model import Settings
from app.network.plan import TransportPeer, TunnelPlan, exit_mark
from app.providers.mullvad import MullvadProvider
from app.providers.registry import Registry, offline
from app.store import Store
from app.tunnel.exit_address import ExitAddressCheck
from app.tunnel.exitcheck import Confirm, ExitAddress, check_exit_address, parse
from app.tunnel.states import Connected, Target, Tunnel

API = Path(__file__).parents[2] / "data" / "api"


MULLVAD = MullvadProvider(offline()).confirms_exit


@pytest.mark.parametrize("name", ["am-i-mullvad-connected.json", "am-i-mullvad-not-connected.json"])
def test_parse_of_mullvads_answer_finds_address_and_verdict(name):
    body = (API / name).read_bytes()
    said = json.loads(body)
    assert parse(body, MULLVAD) == ExitAddress(said["ip"], said["mullvad_exit_ip"])


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (b"203.0.113.7\n", "203.0.113.7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b'{"ip": "203.0.113.7"}', "203.0.113.7"),
        (b'{"ip": "203.0.113.7", "mullvad_exit_ip": "yes"}', "203.0.113.7"),
        (b'{"ip": 7}', None),
        (b'{"ip": "<script>"}', None),
        (b"<html>captive portal</html>", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"[]", None),
    ],
)
def test_parse_of_other_bodies_finds_valid_addresses_only(body, address):
    assert parse(body, MULLVAD) == (ExitAddress(address) if address is not None else None)


# --- The check of a connected tunnel ---------------------------------------------------------------------------------


@dataclass
class FakeContext:
    """The part of an ExitContext that the exit check uses."""

    registry: Registry
    settings: Settings = field(default_factory=Settings)
    published: list[str] = field(default_factory=list)
    published_event: asyncio.Event = field(default_factory=asyncio.Event)

    def resolvers(self, exit_name: str) -> tuple[Address, ...]:
        return (ip_address("10.64.0.1"),)

    def exit_confirmation(self, tunnel: Tunnel) -> Confirm:
        return self.registry.exit_confirmation(tunnel.target.provider)

    def changed(self, exit_name: str) -> None:
        self.published.append(exit_name)
        self.published_event.set()


@pytest.mark.parametrize(
    ("provider", "said", "confirmed"),
    [
        ("mullvad", True, True),
        ("mullvad", False, False),
        ("mullvad", None, None),
        ("custom", False, None),
        ("removed", False, None),
    ],
)
async def test_exit_address_is_confirmed_by_mullvads_word(monkeypatch, caplog, tmp_path, provider, said, confirmed):
    """Mullvad's answer says whether the address is one of its exits; other providers have no such field."""

    async def look(*_, confirm, **__):
        return parse(json.dumps({"ip": "203.0.113.7", "mullvad_exit_ip": said}).encode(), confirm)

    monkeypatch.setattr("app.tunnel.exit_address.check_exit_address", look)
    plan = TunnelPlan("a", (), 1420, (), (), ())
    tunnel = Tunnel(Target(provider, "one"), plan, "key", TransportPeer(ip_address("203.0.113.1"), 51820))
    context = FakeContext(Registry(Store(tmp_path)))
    address = ExitAddressCheck("default", exit_mark(0), context)
    state = Connected(tunnel, 1.0, 1.0)
    address.on_state(state)
    assert address.address(state) is None
    async with asyncio.timeout(5):
        await context.published_event.wait()
    assert address.address(state) == ExitAddress("203.0.113.7", confirmed)
    assert context.published == ["default"]
    assert ("203.0.113.7 is not one of its exits" in caplog.text) is (confirmed is False)


# --- The exchange itself ---------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on the loopback that answers with ``answer``: its port, and the requests it got."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


def marked(monkeypatch) -> list[tuple[int, ...]]:
    """The socket options that are set; SO_MARK itself takes a privilege that a test need not have."""
    options: list[tuple[int, ...]] = []

    class Recorder(socket.socket):
        def setsockopt(self, *given) -> None:
            options.append(given)

    monkeypatch.setattr("app.https.transport.socket.socket", Recorder)
    return options


async def look(port: int, path: str = "/json?x=1") -> ExitAddress | None:
    url = f"http://127.0.0.1:{port}{path}"
    async with asyncio.timeout(10):
        return await check_exit_address(
            url, (), exit_mark(0), ipv6=False, confirm=MULLVAD, permitted=lambda address: address.is_loopback
        )


PRIVATE = ["127.0.0.1", "192.168.77.21", "10.0.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "::1", "fd00::1",
           "fe80::1", "::ffff:192.168.77.21", "64:ff9b::c0a8:4d15", "2002:c0a8:4d15::1"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("named", [True, False])
async def test_exit_check_asks_no_private_address(monkeypatch, address, named):
    """Neither one in the URL nor one that a name resolves to: the request would be made in the LAN."""
    asked: list[object] = []

    async def resolve(*_, **__):
        return [ip_address(address), ip_address("203.0.113.80")]

    async def get(_url, to, _mark):
        asked.append(to)
        return b"203.0.113.7"

    monkeypatch.setattr("app.tunnel.exitcheck.lookup", resolve)
    monkeypatch.setattr("app.tunnel.exitcheck._get", get)
    host = "check.example.net" if named else f"[{address}]" if ":" in address else address
    found = await check_exit_address(f"https://{host}/", (), exit_mark(0), ipv6=True, confirm=MULLVAD)
    assert asked == ([ip_address("203.0.113.80")] if named else [])
    assert found == (ExitAddress("203.0.113.7") if named else None)


@pytest.mark.parametrize("version", [b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK"])
async def test_exit_check_request_is_minimal_on_a_marked_socket(monkeypatch, version):
    options = marked(monkeypatch)
    body = b'{"ip": "203.0.113.7", "mullvad_exit_ip": true}'
    async with answering(version + b"\r\ncontent-type: application/json\r\n\r\n" + body) as (port, heard):
        assert await look(port) == ExitAddress("203.0.113.7", confirmed=True)
    assert (socket.SOL_SOCKET, socket.SO_MARK, exit_mark(0)) in options
    head, *lines = heard[0].decode().lower().split("\r\n")
    assert head == "get /json?x=1 http/1.1"
    # No header identifies the gateway.
    expected = {f"host: 127.0.0.1:{port}", "accept-encoding: identity", "accept: application/json", "connection: close"}
    assert {line for line in lines if line} == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 11\r\n\r\n203.0.113.7",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n203.0.113.7",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"1" * 70_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n203.0.113.7",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000,
    ],
    ids=["nothing", "no HTTP", "404", "redirect", "announced too large", "too large", "cut", "deep"],
)
async def test_exit_check_of_a_bad_answer_finds_no_address(monkeypatch, answer):
    marked(monkeypatch)
    async with answering(answer) as (port, heard):
        assert await look(port) is None
    assert heard


async def test_exit_check_of_a_silent_server_times_out(monkeypatch):
    marked(monkeypatch)
    monkeypatch.setattr("app.tunnel.exitcheck.TIMEOUT", 0.2)
    silent = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        assert await look(server.sockets[0].getsockname()[1]) is None
        silent.set()
