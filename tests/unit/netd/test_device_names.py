"""The look-up of a name by the gateway's own resolver: only on the loopback, repeated, over TCP where it must be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from app.netd import device_names
from app.netd.device_names import MOST, look_up

NAME = "www.example.org"
Reply = Callable[[dns.message.Message, bool], dns.message.Message | None]


class Resolver(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[str] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        answer = self.answer(data, tcp=False)
        if answer is not None:
            self.transport.sendto(answer, addr)

    def answer(self, data: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(data)
        self.asked.append(f"{'tcp' if tcp else 'udp'} {query.question[0].to_text()}")
        made = self.reply(query, tcp)
        return made.to_wire() if made is not None else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.answer(await reader.readexactly(length), tcp=True) or b""
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def resolver(reply: Reply) -> AsyncIterator[tuple[Resolver, int]]:
    """A resolver on the loopback, at one port for UDP and TCP."""
    made = Resolver(reply)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, ("127.0.0.1", port))
    try:
        yield made, port
    finally:
        transport.close()
        server.close()


def answered(query: dns.message.Message, *texts: str) -> dns.message.Message:
    """The addresses of the family that is asked for."""
    made = dns.message.make_response(query)
    kind = "A" if query.question[0].rdtype == 1 else "AAAA"
    fitting = [t for t in texts if (":" in t) == (kind == "AAAA")]
    if fitting:
        made.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", kind, *fitting))
    return made


async def test_both_families_are_asked_and_ipv4_is_first() -> None:
    async with resolver(lambda q, _: answered(q, "2001:db8::7", "192.0.2.7")) as (asked, port):
        assert await look_up(NAME, port) == (ip_address("192.0.2.7"), ip_address("2001:db8::7"))
        assert sorted(asked.asked) == [f"udp {NAME}. IN A", f"udp {NAME}. IN AAAA"]


async def test_name_that_does_not_exist_has_no_address() -> None:
    def reply(query, _tcp):
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.NXDOMAIN)
        return made

    async with resolver(reply) as (_, port):
        assert await look_up(NAME, port) == ()


@pytest.mark.parametrize("code", [dns.rcode.REFUSED, dns.rcode.SERVFAIL])
async def test_refusal_is_no_answer(code: dns.rcode.Rcode) -> None:
    def reply(query, _tcp):
        made = dns.message.make_response(query)
        made.set_rcode(code)
        return made

    async with resolver(reply) as (_, port):
        assert await look_up(NAME, port) is None


async def test_question_is_repeated_until_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_names, "REPEAT", 0.05)
    monkeypatch.setattr(device_names, "TIMEOUT", 0.4)
    silent = 4

    def reply(query, _tcp):
        nonlocal silent
        silent -= 1
        return answered(query, "192.0.2.7") if silent < 0 else None

    async with resolver(reply) as (_, port):
        assert await look_up(NAME, port) == (ip_address("192.0.2.7"),)
    async with resolver(lambda *_: None) as (_, port):
        assert await look_up(NAME, port) is None


async def test_answer_that_is_cut_off_comes_by_tcp() -> None:
    many = [f"192.0.2.{n}" for n in range(1, 40)]

    def reply(query, tcp):
        if tcp:
            return answered(query, *many)
        made = dns.message.make_response(query)
        made.flags |= dns.flags.TC
        return made

    async with resolver(reply) as (asked, port):
        found = await look_up(NAME, port)
    assert found is not None
    assert len(found) == MOST
    assert f"tcp {NAME}. IN A" in asked.asked


async def test_nobody_there_is_no_answer() -> None:
    async with resolver(lambda *_: None) as (_, port):
        pass
    assert await look_up(NAME, port) is None
