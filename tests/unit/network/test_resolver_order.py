"""The forwarder's configuration on the real dnsmasq: which resolver is asked, and when the next one is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from app.model import Settings
from app.network.dhcp_dns import Paths, render
from app.network.dnsmasq import ProcessRunner
from app.network.plan import resolver_vips
from tests.unit.network.test_dnsmasq import free_port

RESEND = 1.0  # seconds after which the device repeats its query


class Resolver(asyncio.DatagramProtocol):
    """A resolver that answers every name with its own address, with an error, or not at all."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: str | None = "NOERROR"  # None = silent
        self.asked: list[str] = []

    async def start(self) -> int:
        made, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.transport = made
        return made.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        self.asked.append(name.to_text(omit_final_dot=True))
        if self.answers is None:
            return
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.from_text(self.answers))
        if self.answers == "NOERROR":
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", self.address))
        self.transport.sendto(reply.to_wire(), addr)


class Bench:
    """The forwarder of exit 0 with two resolvers, and the device that asks it."""

    def __init__(self, port: int) -> None:
        self.first, self.second = Resolver("93.184.216.1"), Resolver("93.184.216.2")
        self.port = port

    async def ask(self, name: str, tries: int = 5) -> str | None:
        """The address of ``name``; the query is repeated from the same port, as the C library does."""
        query = dns.message.make_query(name, "A").to_wire()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", self.port))
            for _ in range(tries):
                await loop.sock_sendall(sock, query)
                try:
                    async with asyncio.timeout(RESEND):
                        reply = dns.message.from_wire(await loop.sock_recv(sock, 4096))
                except TimeoutError:
                    continue
                return str(next(iter(reply.answer[0]))) if reply.answer else dns.rcode.to_text(reply.rcode())
        return None


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(free_port())
    ports = [await found.first.start(), await found.second.start()]
    paths = Paths(leases=str(tmp_path / "leases"), hosts=str(tmp_path / "hosts"))
    text = render(Settings(), Settings().lan, "lo", ipv6_default=False, direct=False, paths=paths)["exit-0"]
    # In place of the ruleset, which translates the IPv4 addresses and refuses the others.
    for slot, (four, six) in enumerate(zip(resolver_vips(0, 4), resolver_vips(0, 6), strict=True)):
        text = text.replace(f"server={six}\n", "").replace(f"server={four}\n", f"server=127.0.0.1#{ports[slot % 2]}\n")
    text = text.replace("port=5301\n", f"port={found.port}\n")
    runner = ProcessRunner(tmp_path / "dnsmasq")
    await runner.apply({"exit-0": text})
    yield found
    await runner.apply({})


async def test_resolvers_are_asked_in_their_order(bench: Bench) -> None:
    """The second may not know the first one's names, or block nothing: while the first answers, it alone is asked."""
    assert [await bench.ask(f"n{n}.example") for n in range(60)] == ["93.184.216.1"] * 60
    assert bench.second.asked == []


@pytest.mark.parametrize("dead", ["first", "second"])
async def test_name_is_found_while_either_resolver_is_silent(bench: Bench, dead: str) -> None:
    silent, other = (bench.first, bench.second) if dead == "first" else (bench.second, bench.first)
    silent.answers = None
    assert [await bench.ask(f"n{n}.example") for n in range(3)] == [other.address] * 3


@pytest.mark.parametrize("code", ["REFUSED", "SERVFAIL"])
async def test_error_of_the_first_resolver_is_not_the_answer(bench: Bench, code: str) -> None:
    bench.first.answers = code
    assert await bench.ask("a.example", tries=1) == "93.184.216.2"


async def test_missing_name_ends_with_the_first_answer(bench: Bench) -> None:
    bench.first.answers = "NXDOMAIN"
    assert await bench.ask("missing.example", tries=1) == "NXDOMAIN"
    assert bench.second.asked == []
