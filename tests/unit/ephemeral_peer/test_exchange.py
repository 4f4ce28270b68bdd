"""The exchange over real TCP and HTTP/2 with the stand-in of a relay."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from ipaddress import ip_address

import pytest

from app import keys
from app.ephemeral_peer.call import MAX_RECEIVED
from app.ephemeral_peer.errors import ExchangeError
from app.ephemeral_peer.exchange import exchange
from tests.support.providers.ephemeral_peer import EphemeralPeerService, Fault

LOCALHOST = ip_address("127.0.0.1")
PARENT = keys.generate().public_key


@pytest.fixture
async def relay() -> AsyncGenerator[EphemeralPeerService, None]:
    service = EphemeralPeerService()
    await service.start(socket.create_server(("127.0.0.1", 0)))
    yield service
    await service.stop()


async def ask(relay: EphemeralPeerService, timeout: float = 8.0) -> tuple[str, str]:
    """(ephemeral public key, preshared key)"""
    private, preshared = await exchange("lo", LOCALHOST, relay.port, PARENT, timeout)
    return keys.public_key(private), preshared.reveal()


async def test_both_ends_have_the_same_keys(relay: EphemeralPeerService) -> None:
    found = await ask(relay)
    (registered,) = relay.registered
    assert (registered.ephemeral, registered.preshared) == found
    assert registered.parent == PARENT
    assert relay.requests[0]["te"] == "trailers"
    assert relay.requests[0]["user-agent"] == "vpn-gateway"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("busy", "unavailable (too many exchanges)"),
        ("unknown_peer", "not found (no such peer)"),
        ("silent", "did not answer within 1 s"),
        ("cut", "reached|closed the connection"),
        ("reset", "ended the call"),
        ("http1", "closed the connection"),
        ("not_found", "HTTP 404"),
        ("html", "not gRPC"),
        ("no_status", "without a status"),
        ("no_post_quantum", "without a post-quantum part"),
        ("no_ciphertext", "0 ciphertexts"),
        ("two_ciphertexts", "2 ciphertexts"),
        ("short_ciphertext", "1567 bytes"),
        ("endless", "did not answer within 1 s"),
        ("two_messages", "length"),
        ("compressed", "compressed"),
        ("garbage", "no protobuf"),
    ],
)
async def test_failed_exchange_says_why(relay: EphemeralPeerService, fault: Fault, said: str) -> None:
    relay.fault = fault
    with pytest.raises(ExchangeError) as caught:
        await ask(relay, 1.0)
    assert any(part in str(caught.value) for part in said.split("|")), str(caught.value)


async def test_relay_without_the_service_is_named(relay: EphemeralPeerService) -> None:
    there = relay.port
    await relay.stop()
    with pytest.raises(ExchangeError, match="cannot be reached: connection refused"):
        await exchange("lo", LOCALHOST, there, PARENT, 8.0)


async def test_connection_without_an_end_is_given_up() -> None:
    """Whatever comes is bounded, and not by the time alone: here PINGs without an answer to the call."""
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # SETTINGS
        try:
            while sent < 100 * MAX_RECEIVED:
                writer.write(b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678" * 100)
                sent += 1700
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(ExchangeError, match="too long"):
        await exchange("lo", LOCALHOST, server.sockets[0].getsockname()[1], PARENT, 30.0)
    server.close()


async def test_socket_is_bound_to_the_tunnel_before_it_sends(relay: EphemeralPeerService) -> None:
    """An interface that is gone means no packet at all, although the address could be reached otherwise."""
    with pytest.raises(ExchangeError, match="no such device"):
        await exchange("wg9b", LOCALHOST, relay.port, PARENT, 8.0)
    assert relay.sources == []
