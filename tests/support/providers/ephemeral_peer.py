"""A Mullvad relay's service ``EphemeralPeer``: gRPC over HTTP/2 without TLS, with real ML-KEM-1024.

It has its own reading of the protocol (``ephemeralpeer.proto`` of mullvad/mullvadvpn-app) and shares no code with
``app.ephemeral_peer``.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from app.tasks import end

PORT = 1337
PATH = "/ephemeralpeer.EphemeralPeer/RegisterPeerV1"

Fault = Literal[
    "busy",  # refuses at once, without a message
    "unknown_peer",  # refuses in the trailers
    "silent",  # takes the request and never answers
    "cut",  # closes the connection
    "reset",  # resets the stream
    "http1",  # is another server
    "not_found",
    "html",  # HTTP/2, but not gRPC
    "no_status",
    "no_post_quantum",
    "no_ciphertext",
    "two_ciphertexts",
    "short_ciphertext",
    "other_secret",  # encapsulates for itself: the two ends have different keys
    "endless",
    "two_messages",
    "compressed",
    "garbage",  # the message is no protobuf
]


@dataclass(frozen=True)
class Registration:
    """What a gateway registered; keys in base64."""

    parent: str
    ephemeral: str
    preshared: str
    algorithms: tuple[str, ...]


@dataclass
class EphemeralPeerService:
    """Serves on a listening socket; ``register`` adds the peer to a WireGuard server, before the answer is sent."""

    register: Callable[[Registration], None] = lambda _: None
    fault: Fault | None = None
    registered: list[Registration] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)  # the addresses that connected
    requests: list[dict[str, str]] = field(default_factory=list)  # headers
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, sock: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=sock)

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        # A gateway that has changed its keys never says that a connection is over.
        await end(list(self._serving))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sources.append(writer.get_extra_info("peername")[0])
        try:
            if self.fault == "http1":
                await reader.read(1)
                writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            elif self.fault == "cut":
                await reader.read(1)
            else:
                await self._answer(reader, writer)
            await writer.drain()
        except (OSError, ProtocolError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        body = bytearray()
        while data := await reader.read(65536):
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.requests.append({str(k): str(v) for k, v in event.headers})
                elif isinstance(event, DataReceived):
                    body += event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    self._reply(http, event.stream_id, bytes(body))
            writer.write(http.data_to_send())
            await writer.drain()

    def _reply(self, http: H2Connection, stream: int, body: bytes) -> None:
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        if self.requests[-1][":path"] != PATH:
            http.send_headers(stream, [*headers, ("grpc-status", "12")], end_stream=True)
            return
        match self.fault:
            case "silent":
                return
            case "reset":
                http.reset_stream(stream, 2)
                return
            case "busy":
                refusal = ("grpc-status", "14"), ("grpc-message", "too many%20exchanges%1B")
                http.send_headers(stream, [*headers, *refusal], end_stream=True)
                return
            case "not_found":
                http.send_headers(stream, [(":status", "404")], end_stream=True)
                return
            case "html":
                http.send_headers(stream, [(":status", "200"), ("content-type", "text/html")], end_stream=True)
                return
            case _:
                pass
        http.send_headers(stream, headers)
        if self.fault == "unknown_peer":
            http.send_headers(stream, [("grpc-status", "5"), ("grpc-message", "no such peer")], end_stream=True)
            return
        message = struct.pack(">BI", 0, len(answer := self._exchange(_unframed(body)))) + answer
        if self.fault == "two_messages":
            message *= 2
        elif self.fault == "compressed":
            message = b"\x01" + message[1:]
        elif self.fault == "endless":
            message = struct.pack(">BI", 0, 1 << 30) + bytes(60_000)
        for at in range(0, len(message), http.max_outbound_frame_size):
            http.send_data(stream, message[at : at + http.max_outbound_frame_size])
        if self.fault == "no_status":
            http.end_stream(stream)
        elif self.fault != "endless":
            http.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def _exchange(self, request: bytes) -> bytes:
        fields = dict(_fields(request))
        offers = [dict(_fields(value)) for number, value in _fields(fields[3]) if number == 1]
        names = tuple(offer[1].decode() for offer in offers)
        assert names == ("ML-KEM-1024",), f"this relay offers no other algorithm: {names}"
        public = MLKEM1024PublicKey.from_public_bytes(offers[0][2])
        secret, ciphertext = public.encapsulate()
        if self.fault == "other_secret":
            secret = bytes(reversed(secret))
        found = Registration(_text(fields[1]), _text(fields[2]), _text(secret), names)
        assert len(fields[1]) == len(fields[2]) == 32
        self.registered.append(found)
        self.register(found)
        ciphertexts = [ciphertext]
        match self.fault:
            case "no_post_quantum":
                return b""
            case "garbage":
                return b"\x0a\xff\xff"
            case "no_ciphertext":
                ciphertexts = []
            case "two_ciphertexts":
                ciphertexts *= 2
            case "short_ciphertext":
                ciphertexts = [ciphertext[:-1]]
            case _:
                pass
        return _field(1, b"".join(_field(1, one) for one in ciphertexts))


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _unframed(body: bytes) -> bytes:
    compressed, length = struct.unpack(">BI", body[:5])
    assert (compressed, length) == (0, len(body) - 5)
    return body[5:]


def _fields(message: bytes) -> list[tuple[int, bytes]]:
    """The fields of a message that has strings, bytes and messages only."""
    found: list[tuple[int, bytes]] = []
    while message:
        assert message[0] & 7 == 2, "not of a length-delimited type"
        number, length, at = message[0] >> 3, 0, 1
        while True:
            length |= (message[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if message[at - 1] < 0x80:
                break
        assert len(message) >= at + length
        found.append((number, message[at : at + length]))
        message = message[at + length :]
    return found


def _field(number: int, value: bytes) -> bytes:
    size, length = b"", len(value)
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value
