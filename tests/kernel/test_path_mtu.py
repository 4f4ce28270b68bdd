"""The largest packet that passes, found with real packets: a filter drops what is larger, as a path does in silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_address

import dns.message
import pytest

from app.tunnel import sized_query
from app.tunnel.mtu_search import STEP, largest_that_passes
from tests.kernel.namespace import inside, run

pytestmark = pytest.mark.kernel

MARK = 0x100


class Resolver(asyncio.DatagramProtocol):
    """Answers every query, as short as it can."""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        self.transport.sendto(dns.message.make_response(dns.message.from_wire(data)).to_wire(), addr)


@contextlib.asynccontextmanager
async def path(limit: int, at: str, *, answers: bool = True) -> AsyncIterator[None]:
    """A resolver behind a path that drops packets larger than ``limit`` and all without the mark."""
    run("ip link set lo mtu 1420")
    rules = f"meta mark != {MARK} udp dport 53 drop\nmeta length > {limit} drop"
    run("nft -f -", feed=f"table inet t {{ chain c {{ type filter hook output priority 0\n{rules}\n}}; }}")
    loop = asyncio.get_running_loop()
    transport = None
    if answers:
        transport, _ = await loop.create_datagram_endpoint(Resolver, local_addr=(at, 53))
    try:
        yield
    finally:
        if transport is not None:
            transport.close()


async def search(at: str) -> int | None:
    return await largest_that_passes(1280, 1420, lambda size: sized_query.passes("lo", MARK, ip_address(at), size))


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost here but what is dropped on purpose: one patient try tells as much as three."""
    monkeypatch.setattr(sized_query, "TRIES", 1)
    monkeypatch.setattr(sized_query, "TIMEOUT", 2.0)


@pytest.mark.parametrize("at", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("limit", [1420, 1352, 1281])
@inside
async def test_limit_of_a_path_is_found(limit, at):
    async with path(limit, at):
        found = await search(at)
        assert found is not None
        assert limit - STEP <= found <= limit


@inside
async def test_path_without_an_answer_tells_nothing():
    async with path(1420, "127.0.0.1", answers=False):
        assert await search("127.0.0.1") is None


@inside
async def test_packet_larger_than_the_interface_does_not_pass():
    async with path(9000, "127.0.0.1"):
        assert await sized_query.passes("lo", MARK, ip_address("127.0.0.1"), 1420)
        assert not await sized_query.passes("lo", MARK, ip_address("127.0.0.1"), 1421)
