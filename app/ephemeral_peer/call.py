"""One gRPC call on an open connection: HTTP/2 with prior knowledge (RFC 9113, section 3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from app.ephemeral_peer import grpc
from app.ephemeral_peer.errors import ExchangeError

MAX_RECEIVED = 2 * grpc.MAX_MESSAGE  # bytes of the whole connection, so that a stranger cannot send for ever
_READ_SIZE = 16 * 1024  # bytes


async def call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str, path: str, message: bytes
) -> bytes:
    """The answer to ``message``. Raises ExchangeError, OSError. Without a time limit of its own."""
    try:
        return await _Call(reader, writer).run(grpc.request_headers(authority, path), grpc.encode_frame(message))
    except ProtocolError:
        raise ExchangeError("the relay does not speak HTTP/2 there") from None


class _Call:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._stream = self._http.get_next_available_stream_id()
        self._body = bytearray()
        self._received = 0  # bytes
        self._succeeded = False

    async def run(self, headers: list[tuple[str, str]], body: bytes) -> bytes:
        self._http.initiate_connection()
        self._http.send_headers(self._stream, headers)
        # Well below the window and the frame size that apply until the relay's settings come (RFC 9113, 6.9.2).
        self._http.send_data(self._stream, body, end_stream=True)
        while True:
            self._writer.write(self._http.data_to_send())
            await self._writer.drain()
            if self._handle(self._http.receive_data(await self._receive())):
                return grpc.decode_frame(bytes(self._body))

    async def _receive(self) -> bytes:
        data = await self._reader.read(_READ_SIZE)
        self._received += len(data)
        if not data:
            raise ExchangeError("the relay closed the connection before it answered")
        if self._received > MAX_RECEIVED:
            raise ExchangeError("the relay's answer is too long")
        return data

    def _handle(self, events: Sequence[Event]) -> bool:
        """Whether the answer is complete. Raises ExchangeError where it says that the call failed."""
        for event in events:
            match event:
                case ResponseReceived(headers=headers):
                    grpc.check_headers(_mapping(headers))
                case DataReceived(data=data):
                    self._body += data
                    self._http.acknowledge_received_data(event.flow_controlled_length, self._stream)
                    if len(self._body) > grpc.MAX_MESSAGE:
                        raise ExchangeError("the relay's answer is too long")
                case TrailersReceived(headers=headers):
                    grpc.check_status(_mapping(headers))
                    self._succeeded = True
                case StreamEnded():
                    if not self._succeeded:
                        raise ExchangeError("the relay's answer ended without a status")
                    return True
                case StreamReset() | ConnectionTerminated():
                    raise ExchangeError("the relay ended the call before it answered")
                case _:
                    pass
        return False


def _mapping(headers: Sequence[tuple[bytes, bytes]] | Sequence[tuple[str, str]]) -> dict[str, str]:
    """``headers`` as text, which h2 decodes; its type allows bytes as well."""
    return {_text(name): _text(value) for name, value in headers}


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
