"""Looking up a name with a real exchange: over UDP, and over TCP where a datagram does not hold the answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from app.tunnel.resolve import LookupFailedError, ask, lookup
from tests.kernel.namespace import inside, run

pytestmark = pytest.mark.kernel

MARK = 0x21
SERVER, SECOND = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
MANY = [f"198.51.100.{n}" for n in range(1, 101)]  # 1.6 kB: more than a datagram may hold without EDNS


class NameServer(asyncio.DatagramProtocol):
    """Knows ``addresses`` of every name. ``room``: how many fit into a datagram; ``noise`` goes before an answer.

    ``code`` is the answer's response code; None answers nothing.
    """

    def __init__(
        self, addresses: list[str], room: int, noise: tuple[bytes, ...] = (), code: str | None = "NOERROR"
    ) -> None:
        self.code = code
        self.addresses = addresses
        self.room = room
        self.noise = noise
        self.asked: list[str] = []

    def answer(self, wire: bytes, addresses: list[str]) -> dns.message.Message:
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.from_text(self.code or "SERVFAIL"))
        kind = "A" if query.question[0].rdtype == 1 else "AAAA"
        if kind == "A" and addresses:
            reply.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", kind, addresses))
        return reply

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        self.asked.append("udp")
        if self.code is None:
            return
        reply = self.answer(data, self.addresses[: self.room])
        if len(self.addresses) > self.room and reply.question[0].rdtype == 1:
            reply.flags |= dns.flags.TC
        for other in self.noise:
            self.transport.sendto(other, addr)
        self.transport.sendto(reply.to_wire(), addr)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append("tcp")
        size = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(self.answer(await reader.readexactly(size), self.addresses).to_wire(prepend_length=True))
        await writer.drain()
        writer.close()

    async def close_at_once(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append("tcp")
        writer.close()


@contextlib.asynccontextmanager
async def serving(server: NameServer, tcp: str = "answers", at: IPv4Address = SERVER) -> AsyncIterator[NameServer]:
    """Hears only what carries the mark. ``tcp``: answers, closes, silent or refuses."""
    rules = f"th dport 53 meta mark != {MARK} drop" + ("\ntcp dport 53 drop" if tcp == "silent" else "")
    run("nft -f -", feed=f"table inet t {{ chain c {{ type filter hook output priority 0\n{rules}\n}}; }}")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(str(at), 53))
    listening = None
    if tcp != "refuses":
        handler = server.close_at_once if tcp == "closes" else server.stream
        listening = await asyncio.start_server(handler, str(at), 53)
    yield server
    transport.close()
    if listening is not None:
        listening.close()


def addresses(texts: list[str]) -> set[object]:
    return set(map(ip_address, texts))


@inside
async def test_a_short_answer_comes_by_udp_alone():
    async with serving(NameServer(MANY[:3], 3)) as server:
        found = await lookup("x.example", [SERVER], want4=True, want6=True, mark=MARK)
        assert set(found) == addresses(MANY[:3])
        assert server.asked == ["udp", "udp"]


@inside
async def test_a_truncated_answer_is_asked_for_again_over_tcp():
    async with serving(NameServer(MANY, 0)) as server:
        assert set(await ask("x.example", SERVER, "A", mark=MARK)) == addresses(MANY)
        assert server.asked == ["udp", "tcp"]


@pytest.mark.parametrize("tcp", ["closes", "silent", "refuses"])
@inside
async def test_without_tcp_the_part_that_came_is_used(tcp):
    async with serving(NameServer(MANY, 20), tcp):
        assert set(await ask("x.example", SERVER, "A", mark=MARK, timeout=0.5)) == addresses(MANY[:20])


@inside
async def test_without_tcp_and_without_a_partial_answer_it_fails():
    async with serving(NameServer(MANY, 0), "refuses"):
        with pytest.raises(LookupFailedError, match=str(SERVER)):
            await lookup("x.example", [SERVER], want4=True, want6=False, mark=MARK)


@inside
async def test_answers_to_another_question_are_ignored():
    other = dns.message.make_response(dns.message.make_query("y.example", "A")).to_wire()
    async with serving(NameServer(MANY[:1], 1, noise=(b"x", b"", other))):
        assert await ask("x.example", SERVER, "A", mark=MARK) == [ip_address(MANY[0])]


@inside
async def test_a_refused_query_fails_at_once_and_leaks_no_socket():
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ConnectionRefusedError):
        await ask("x.example", SERVER, "A", mark=MARK)
    assert loop.time() - began < 1
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind((str(SERVER), 53))
        sock.setblocking(False)
        with pytest.raises(TimeoutError):
            await ask("x.example", SERVER, "A", mark=MARK, timeout=0.05)


FAILURES = {
    "REFUSED": (NameServer([], 0, code="REFUSED"), "answers REFUSED for x.example", 1),
    "SERVFAIL": (NameServer([], 0, code="SERVFAIL"), "answers SERVFAIL for x.example", 2),
    "NXDOMAIN": (NameServer([], 0, code="NXDOMAIN"), r"says that x.example does not exist \(NXDOMAIN\)", 1),
    "empty": (NameServer([], 0), "knows no address of x.example", 1),
    "zero": (NameServer(["0.0.0.0"], 1), "gives 0.0.0.0 for x.example: it is blocked there", 1),
    "loopback": (NameServer(["127.0.0.1"], 1), "gives 127.0.0.1 for x.example: it is blocked there", 1),
    "silent": (NameServer([], 0, code=None), "does not answer the question for x.example", 2),
    "truncated": (NameServer(MANY, 0), "gives a truncated answer for x.example, and TCP failed", 2),
}


@pytest.mark.parametrize("name", FAILURES)
@inside
async def test_server_without_an_address_hands_over_to_the_next(name):
    """Whatever the first answers, the second is asked at once."""
    bad = FAILURES[name][0]
    async with serving(bad, "refuses"), serving(NameServer(MANY[:1], 1), at=SECOND) as good:
        bad.asked.clear()
        found = await lookup("x.example", [SERVER, SECOND], want4=True, want6=False, mark=MARK)
        assert found == [ip_address(MANY[0])]
        assert (len(bad.asked), len(good.asked)) == (1, 1)


@pytest.mark.parametrize("name", FAILURES)
@inside
async def test_failed_lookup_names_server_answer_and_name(name):
    """What may change is asked again once; a definite answer is not."""
    bad, text, times = FAILURES[name]
    async with serving(bad, "refuses"):
        bad.asked.clear()
        with pytest.raises(LookupFailedError, match=f"^the name server {SERVER} of the lab {text}$"):
            await lookup("x.example", [SERVER], want4=True, want6=False, mark=MARK, place=" of the lab")
        assert bad.asked.count("udp") == times


@inside
async def test_blocked_family_does_not_hide_the_other():
    async with serving(NameServer(["0.0.0.0", MANY[0]], 2)):
        found = await lookup("x.example", [SERVER], want4=True, want6=True, mark=MARK)
        assert found == [ip_address(MANY[0])]


@inside
async def test_address_of_the_gateway_itself_is_no_answer():
    async with serving(NameServer(MANY[:1], 1)):
        with pytest.raises(LookupFailedError, match=f"gives {MANY[0]} for x.example: that is ours"):
            await lookup("x.example", [SERVER], want4=True, want6=False, mark=MARK, judge=lambda _: "that is ours")
