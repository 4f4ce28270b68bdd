"""The ``Gateway`` protocol over a Unix socket: one JSON value per line, typed at both ends.

A request is ``{"id", "op", ...}``, its response ``{"id", "result"}`` or ``{"id", "error"}``; a subscription takes a
connection of its own, on which only events follow. netd authenticates the client by the uid that the kernel reports
(``SO_PEERCRED``, unix(7)).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from app import serialization
from app.errors import GatewayError, MalformedRequestError, UnavailableError
from app.protocol.commands import AnyCommand, Command
from app.protocol.events import Event
from app.protocol.gateway import Gateway
from app.protocol.status import Snapshot

R = TypeVar("R")

log = logging.getLogger(__name__)

LINE_LIMIT = 16 * 1024 * 1024  # bytes: a list of 10,000 servers fits
CALL_TIMEOUT = 60.0  # seconds; more than the longest command, connect, takes


class Request(Struct, frozen=True):
    id: int
    op: Literal["snapshot", "providers", "submit", "subscribe"]
    command: AnyCommand | None = None
    after: int | None = None


class WireError(Struct, frozen=True):
    status: int
    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None  # seconds

    @classmethod
    def of(cls, error: GatewayError) -> WireError:
        return cls(error.status, error.code, error.message, error.field, error.retry_after)

    def to_error(self) -> GatewayError:
        error = GatewayError(self.message, field=self.field, code=self.code)
        error.status = self.status
        error.retry_after = self.retry_after
        return error


class Response(Struct, frozen=True):
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: WireError | None = None


# --- server ----------------------------------------------------------------------------------------------------------


class Server:
    """The server of ``gateway`` on ``path``, for processes whose uid is in ``uids``; the socket's mode is 0660."""

    def __init__(self, gateway: Gateway, path: Path, uids: Collection[int]) -> None:
        self._gateway = gateway
        self._path = path
        self._uids = frozenset(uids)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_LIMIT)
        self._path.chmod(0o660)
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            uid = peer_uid(writer)
            if uid not in self._uids:
                log.warning("refused a connection from uid %d", uid)
                return
            lock = asyncio.Lock()
            while line := await reader.readline():
                try:
                    request = serialization.decode(line, Request)
                except msgspec.DecodeError as error:
                    await _send(writer, lock, Response(0, error=WireError.of(MalformedRequestError(str(error)))))
                    continue
                task = asyncio.create_task(self._respond(request, writer, lock))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (ConnectionError, ValueError, asyncio.IncompleteReadError):
            return
        except asyncio.CancelledError:
            return  # only at the end of the process; Python 3.11 would log a cancelled handler as an error
        finally:
            writer.close()

    async def _respond(self, request: Request, writer: asyncio.StreamWriter, lock: asyncio.Lock) -> None:
        try:
            match request.op:
                case "subscribe":
                    await self._stream(request, writer, lock)
                    return
                case "snapshot":
                    result: object = await self._gateway.snapshot()
                case "providers":
                    result = await self._gateway.providers()
                case "submit":
                    if request.command is None:
                        raise MalformedRequestError("submit needs a command")
                    result = await self._gateway.submit(request.command)
            response = Response(request.id, result=msgspec.Raw(serialization.encode(result)))
        except GatewayError as error:
            response = Response(request.id, error=WireError.of(error))
        except Exception:
            log.exception("a bug in the handling of %s", request.op)
            response = Response(request.id, error=WireError.of(GatewayError("internal error")))
        with contextlib.suppress(ConnectionError):
            await _send(writer, lock, response)

    async def _stream(self, request: Request, writer: asyncio.StreamWriter, lock: asyncio.Lock) -> None:
        with contextlib.suppress(ConnectionError):
            async for event in self._gateway.subscribe(request.after):
                await _send(writer, lock, event)
        writer.close()


async def _send(writer: asyncio.StreamWriter, lock: asyncio.Lock, value: object) -> None:
    async with lock:
        writer.write(serialization.encode(value) + b"\n")
        await writer.drain()


def peer_uid(writer: asyncio.StreamWriter) -> int:
    sock: socket.socket = writer.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1]


# --- client ----------------------------------------------------------------------------------------------------------


class Client:
    """The client of a ``Gateway`` behind a socket. It connects automatically, also after a restart of netd.

    Raises UnavailableError while netd does not answer, and every GatewayError that netd raised.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._pending: dict[int, asyncio.Future[Response]] = {}
        self._next = 0
        self._lock = asyncio.Lock()

    async def snapshot(self) -> Snapshot:
        return serialization.decode(await self._call(op="snapshot"), Snapshot)

    async def providers(self) -> tuple[str, ...]:
        return serialization.decode(await self._call(op="providers"), tuple[str, ...])

    async def submit(self, command: Command[R]) -> R:
        return serialization.decode(await self._call(op="submit", command=command), command.result_type())

    async def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        """The events. Raises UnavailableError (netd away or another version); ends with netd or if read too slowly."""
        reader, writer = await self._open()
        try:
            writer.write(serialization.encode(Request(1, "subscribe", after=after)) + b"\n")
            while line := await reader.readline():
                yield serialization.decode(line, Event)
        except ConnectionError:
            return
        except msgspec.ValidationError as error:
            raise UnavailableError(f"the gateway's network service is of another version: {error}") from None
        finally:
            writer.close()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
        except OSError as error:
            raise UnavailableError("the gateway's network service is not running; it stays blocked") from error

    async def _call(self, *, op: Any, command: Command[object] | None = None) -> msgspec.Raw:
        async with self._lock:
            if self._writer is None or self._writer.is_closing() or self._reading is None or self._reading.done():
                reader, self._writer = await self._open()
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            self._next += 1
            request_id = self._next
            future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            self._pending[request_id] = future
            self._writer.write(serialization.encode(Request(request_id, op, command)) + b"\n")
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                response = await future
        except TimeoutError:
            raise UnavailableError("the gateway's network service does not answer") from None
        finally:
            self._pending.pop(request_id, None)
        if response.error is not None:
            raise response.error.to_error()
        return response.result

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pending = self._pending
        try:
            while line := await reader.readline():
                response = serialization.decode(line, Response)
                future = pending.get(response.id)
                if future is not None and not future.done():
                    future.set_result(response)
        except ConnectionError:
            pass  # the pending calls get the error below
        except ValueError:
            log.exception("netd sent a message that this version does not understand")
        finally:
            writer.close()
            for future in pending.values():
                if not future.done():
                    future.set_exception(UnavailableError("the gateway's network service went away"))


def connect(path: str | Path) -> Client:
    """A client for netd's socket at ``path``; nothing is opened before the first call."""
    return Client(Path(path))
