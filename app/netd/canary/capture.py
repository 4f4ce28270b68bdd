"""The client of the capturing process, which alone may open packet sockets (:mod:`app.capture`)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from app.canary.verdict import TapResult, Where
from app.errors import UnavailableError

_LINE = 1024 * 1024  # bytes of an answer
_GRACE = 5.0  # seconds beyond the job's own: it closes its sockets, the machine is busy


class Tap(Struct, frozen=True):
    """A place to look: what passes ``filter`` on ``interface``; with ``first``, one packet is enough."""

    where: Where
    interface: str
    filter: bytes
    first: bool = False


class _Result(Struct, frozen=True):
    error: str | None = None
    matched: int = 0
    missed: int = 0
    seen: tuple[tuple[int, int], ...] = ()
    samples: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    error: str | None = None
    sent: int = 0
    trouble: str | None = None
    taps: tuple[_Result, ...] = ()


class Captured(Struct, frozen=True):
    taps: tuple[TapResult, ...]
    sent: int
    trouble: str | None  # why not all frames were sent


class Capture:
    """The process behind ``socket``."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def run(
        self, taps: Sequence[Tap], needles: Iterable[bytes], frames: Iterable[bytes], seconds: float
    ) -> Captured:
        """Look at all ``taps`` for ``seconds``, while ``frames`` are sent. Raises UnavailableError."""
        request = {
            "taps": [{"interface": t.interface, "filter": t.filter.hex(), "first": t.first} for t in taps],
            "needles": [needle.hex() for needle in needles],
            "frames": [frame.hex() for frame in frames],
            "seconds": seconds,
        }
        try:
            async with asyncio.timeout(seconds + _GRACE):
                answer = await self._ask(msgspec.json.encode(request) + b"\n")
        except (OSError, TimeoutError, ValueError, msgspec.DecodeError) as error:
            raise UnavailableError("the process that watches packets does not answer") from error
        if answer.error is not None or len(answer.taps) != len(taps):
            raise UnavailableError(f"the process that watches packets refused: {answer.error}")
        found = tuple(
            TapResult(t.where, dict(r.seen), r.matched, r.missed, r.samples, r.error)
            for t, r in zip(taps, answer.taps, strict=True)
        )
        return Captured(found, answer.sent, answer.trouble)

    async def _ask(self, request: bytes) -> _Answer:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=_LINE)
        try:
            writer.write(request)
            await writer.drain()
            return msgspec.json.decode(await reader.readline(), type=_Answer)
        finally:
            writer.close()
