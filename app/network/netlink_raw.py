"""Raw netlink messages: requests, dumps and nftables' transactions, without a library.

They are those of the hot paths, and those that pyroute2 cannot build. netlink(7), RFC 3549; Linux:
include/uapi/linux/netlink.h. The kernel answers within the call that sends the request, so an exchange is short enough
for an event loop.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Container, Generator, Iterator, Sequence

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x1, 0x4, 0x300, 0x10
NLA_F_NESTED = 0x8000

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TIMEOUT = 5.0  # seconds
_DUMP_TRIES = 5
_RECEIVE = 1 << 18
_BATCH_BEGIN, _BATCH_END, _BATCH_GENERATION = 0x10, 0x11, 1  # linux/netfilter/nfnetlink.h
_SO_SNDBUFFORCE, _BATCH_BUFFER = 32, 1 << 23


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding."""
    return _ATTRIBUTE.pack(len(payload) + 4, kind) + payload + b"\0" * (-len(payload) % 4)


def attribute_list(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Consecutive attributes, by number without flags and payload; a truncated one is left out."""
    at, end = 0, len(data)
    while at + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > end:
            break
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """The payloads of consecutive attributes by number; of a number that comes twice the last.

    As :func:`attribute_list` finds them, but there are hundreds of messages in an answer, so without its generator.
    """
    found: dict[int, bytes] = {}
    at, end, unpack = 0, len(data), _ATTRIBUTE.unpack_from
    while at + 4 <= end:
        length, kind = unpack(data, at)
        if length < 4 or at + length > end:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def equal_attributes(data: bytes) -> list[bytes]:
    """The payloads of consecutive attributes of one kind, such as the elements of a set: mostly all of one length."""
    if len(data) >= 4:
        length, _ = _ATTRIBUTE.unpack_from(data)
        if length > 4 and length % 4 == 0 and len(data) % length == 0:
            heads, payloads = zip(*struct.iter_unpack(f"4s{length - 4}s", data), strict=True)
            if heads.count(heads[0]) == len(heads):
                return list(payloads)
    return [payload for _, payload in attribute_list(data)]


def nfgenmsg(family: int, payload: bytes = b"") -> bytes:
    """The body of a netfilter message; numbers in ``payload`` are big-endian there."""
    return struct.pack("=BBH", family, 0, 0) + payload


# Kept: to allocate one for each datagram takes longer than to read it. As many as are read at once: one for each socket
# of each thread took a megabyte.
_buffers: list[bytearray] = []


class _Socket:
    """A netlink socket that is kept: the end of one makes the kernel wait until removed nftables objects are gone."""

    def __init__(self, protocol: int) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._sock.settimeout(_TIMEOUT)
        with contextlib.suppress(PermissionError):  # a dump needs no more than the usual
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BATCH_BUFFER)
        self._sock.bind((0, 0))
        self._number = 0
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)

    def number(self) -> int:
        """The number of the next request: an answer to an earlier one is no answer to it."""
        self._number = self._number % 0x7FFFFFFF + 1
        return self._number

    def send(self, data: bytes) -> None:
        self._sock.send(data)

    def receive(self, numbers: Container[int]) -> Iterator[tuple[int, int, bytes]]:
        """The messages of one datagram that answer requests with these ``numbers``: kind, flags and body."""
        data = self._datagram()
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, flags, number, _ = _HEADER.unpack_from(data, at)
            if length < _HEADER.size:
                return
            if number in numbers:
                yield kind, flags, data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3

    def _datagram(self) -> bytes:
        try:
            buffer = _buffers.pop()
        except IndexError:
            buffer = bytearray(_RECEIVE)
        try:
            return bytes(memoryview(buffer)[: self._sock.recv_into(buffer)])
        finally:
            _buffers.append(buffer)

    def pending(self) -> bool:
        return bool(self._poll.poll(0))

    def close(self) -> None:
        self._sock.close()


class _Sockets(threading.local):
    """The sockets of each thread, because a namespace is a thread's."""

    def __init__(self) -> None:
        self._open: dict[int, _Socket] = {}

    @contextlib.contextmanager
    def use(self, protocol: int) -> Generator[_Socket]:
        """The socket for ``protocol``; one whose answers may be incomplete is not used again."""
        if protocol not in self._open:
            self._open[protocol] = _Socket(protocol)
        try:
            yield self._open[protocol]
        except BaseException:
            self._open.pop(protocol).close()
            raise


_sockets = _Sockets()


def exchange(protocol: int, kind: int, flags: int, body: bytes) -> list[bytes]:
    """Send one request and return the bodies of the answers. ``flags`` are added to NLM_F_REQUEST. Raises OSError.

    A dump during which something changed is repeated, because it may be incomplete.
    """
    for _ in range(_DUMP_TRIES):
        answers, complete, code = _exchange(protocol, kind, flags, body)
        if code < 0:
            raise OSError(-code, os.strerror(-code))
        if complete:
            return answers
    raise OSError("the kernel's tables change faster than they can be read")


def _exchange(protocol: int, kind: int, flags: int, body: bytes) -> tuple[list[bytes], bool, int]:
    answers: list[bytes] = []
    complete = True
    with _sockets.use(protocol) as sock:
        number = sock.number()
        sock.send(_message(kind, flags, number, body))
        while True:
            for answer, answer_flags, data in sock.receive((number,)):
                complete = complete and not answer_flags & NLM_F_DUMP_INTR
                if answer in {_NLMSG_ERROR, _NLMSG_DONE}:
                    return answers, complete, struct.unpack_from("=i", data)[0] if len(data) >= 4 else 0
                answers.append(data)


def transaction(messages: Sequence[tuple[int, int, bytes]], subsystem: int, generation: int | None = None) -> None:
    """Send ``messages`` (kind, flags, body) to netfilter as one transaction on ``generation``: all of it or nothing.

    None is any generation.

    Raises OSError with the first refusal; ERESTART where the kernel's generation is another.
    """
    begin = struct.pack("=BB", 0, 0) + struct.pack(">H", subsystem)
    with _sockets.use(NETLINK_NETFILTER) as sock:
        first = sock.number()
        wanted = b"" if generation is None else attribute(_BATCH_GENERATION, struct.pack(">I", generation))
        parts = [_message(_BATCH_BEGIN, 0, first, begin + wanted)]
        numbers = {first}
        for place, (kind, flags, body) in enumerate(messages, 1):
            number = sock.number()
            numbers.add(number)
            parts.append(_message(kind, flags | (NLM_F_ACK if place == len(messages) else 0), number, body))
        parts.append(_message(_BATCH_END, 0, sock.number(), begin))
        sock.send(b"".join(parts))
        codes: list[int] = []
        while not codes or sock.pending():  # the answers are there when the transaction has been sent
            for kind, _, data in sock.receive(numbers):
                if kind == _NLMSG_ERROR:
                    codes.append(struct.unpack_from("=i", data)[0])
    refusal = next((code for code in codes if code < 0), 0)
    if refusal:
        raise OSError(-refusal, os.strerror(-refusal))


def _message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    padding = b"\0" * (-len(body) % 4)
    return _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, number, 0) + body + padding
