"""The protocol over a real Unix socket, both ends real."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from app.errors import ConflictError, GatewayError, TooManyRequestsError, UnavailableError
from app.ipc import LINE_LIMIT, Server, connect
from app.model import LanSettings
from app.model import Server as ServerEntry
from app.protocol.answers import Done, Keypair, ServerList
from app.protocol.commands import Connect, GenerateKeypair, ListServers
from app.protocol.events import Event, ServersChanged
from app.protocol.status import Attestation, Snapshot


class Answering:
    """A gateway with fixed answers, which must arrive at the client."""

    def __init__(self):
        self.release = asyncio.Event()

    async def snapshot(self):
        return Snapshot(7, "1", "custom", (), Attestation(ok=True), "kernel", None, LanSettings())

    async def providers(self):
        return ("mullvad", "custom")

    async def submit(self, command):
        match command:
            case Connect(server="taken"):
                raise ConflictError("in use", field="server", code="taken")
            case Connect(server="often"):
                raise TooManyRequestsError("wait", code="locked_out", retry_after=42.0)
            case Connect(server="slow"):
                await self.release.wait()
                return Done("slow")
            case Connect(server="bug"):
                raise RuntimeError("private_key=abc")
            case ListServers():
                entry = ServerEntry("n" * 60, "custom")
                return ServerList("custom", (entry,) * 10_000)
            case GenerateKeypair():
                return Keypair("a", "b")
        return Done()

    async def subscribe(self, after=None):
        for seq in range((after or 0) + 1, (after or 0) + 4):
            yield Event(seq, 0.0, ServersChanged("mullvad", servers=seq))


@pytest.fixture
async def ends(tmp_path):
    gateway = Answering()
    server = await Server(gateway, tmp_path / "s", {os.getuid()}).start()
    client = connect(tmp_path / "s")
    yield gateway, client, tmp_path / "s"
    await client.close()
    server.close()


async def test_values_arrive_as_they_were_sent(ends):
    _, client, _ = ends
    assert (await client.snapshot()).seq == 7
    assert await client.providers() == ("mullvad", "custom")
    assert await client.submit(GenerateKeypair()) == Keypair("a", "b")


async def test_ten_thousand_servers_fit(ends):
    assert len((await ends[1].submit(ListServers())).servers) == 10_000


async def test_an_error_arrives_whole(ends):
    with pytest.raises(GatewayError) as caught:
        await ends[1].submit(Connect("taken"))
    error = caught.value
    assert (error.status, error.code, error.message, error.field) == (409, "taken", "in use", "server")


async def test_internal_error_shows_no_data(ends):
    with pytest.raises(GatewayError) as caught:
        await ends[1].submit(Connect("bug"))
    assert caught.value.status == 500
    assert "abc" not in caught.value.message


async def test_a_slow_command_holds_up_no_other(ends):
    gateway, client, _ = ends
    slow = asyncio.create_task(client.submit(Connect("slow")))
    assert await client.submit(Connect("quick")) == Done()
    assert not slow.done()
    gateway.release.set()
    assert await slow == Done("slow")


async def test_events_follow_the_number_asked_for(ends):
    assert [e.seq async for e in ends[1].subscribe(after=4)] == [5, 6, 7]


async def test_an_event_of_another_version_says_so(ends):
    async def of_tomorrow(after=None):
        yield {"seq": 1, "time": 0.0, "event": {"type": "of_tomorrow"}}

    gateway, client, _ = ends
    gateway.subscribe = of_tomorrow
    with pytest.raises(UnavailableError, match="another version"):
        async for _ in client.subscribe():
            pass


async def test_missing_netd_raises_and_its_return_is_noticed(tmp_path):
    client = connect(tmp_path / "s")
    with pytest.raises(UnavailableError):
        await client.snapshot()
    server = await Server(Answering(), tmp_path / "s", {os.getuid()}).start()
    assert (await client.snapshot()).seq == 7
    await client.close()
    server.close()


async def test_other_uid_is_refused(tmp_path):
    server = await Server(Answering(), tmp_path / "s", {os.getuid() + 1}).start()
    with pytest.raises(UnavailableError):
        await connect(tmp_path / "s").snapshot()
    server.close()


async def test_socket_is_not_world_accessible(ends):
    assert ends[2].stat().st_mode & 0o777 == 0o660


async def test_malformed_line_is_answered_with_an_error(ends):
    reader, writer = await asyncio.open_unix_connection(ends[2])
    writer.write(b"not json\n" + b'{"id":1,"op":"explode"}\n')
    assert b"malformed_request" in await reader.readline()
    assert b"malformed_request" in await reader.readline()
    writer.close()
    assert (await ends[1].snapshot()).seq == 7


async def test_the_time_to_wait_arrives_too(ends):
    with pytest.raises(GatewayError) as caught:
        await ends[1].submit(Connect("often"))
    assert (caught.value.status, caught.value.retry_after) == (429, 42.0)
    with pytest.raises(GatewayError) as other:
        await ends[1].submit(Connect("taken"))
    assert other.value.retry_after is None


async def test_a_flood_of_requests_leaves_netd_answering(ends):
    """What a web process that was taken over may send: garbage, too long a line, a thousand subscriptions at once."""
    gateway, client, path = ends
    garbage = (b"\0\xff\n", b"[]\n", b"{}\n", b'{"id":1}\n', b'{"id":"x","op":"submit"}\n', b'{"id":1,"op":"submit"}\n')
    for line in (*garbage, b"[" * 100_000 + b"\n"):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        assert b'"error"' in await reader.readline(), line[:40]
        writer.close()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x" * (LINE_LIMIT + 1))
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""  # closed
    writer.close()

    gateway.subscribe = silent
    many = []
    for _ in range(300):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"id":1,"op":"subscribe"}\n')
        many.append(writer)
    snapshots = await asyncio.gather(*(client.snapshot() for _ in range(1000)))
    assert {snapshot.seq for snapshot in snapshots} == {7}
    for writer in many:
        writer.close()
    assert await client.submit(Connect("quick")) == Done()


async def silent(after=None):
    await asyncio.Event().wait()
    yield after
