"""A job: taps on several interfaces for a while, and frames that are sent meanwhile."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from app.capture import limits
from app.capture.tap import Tap


class BadRequestError(Exception):
    """A request that is not one, or asks for more than the limits allow."""


def _need(good: bool, message: str) -> None:
    if not good:
        raise BadRequestError(message)


class Job:
    """A request of netd's, checked, with its open sockets.

    ``{"taps": [{"interface", "filter", "first"?}], "needles": [], "frames": [], "seconds"}``, bytes in hexadecimal.
    """

    def __init__(self, line: bytes) -> None:
        """Open the taps, then send the frames. Raises BadRequestError."""
        self.taps: list[Tap] = []
        self._errors: dict[int, str] = {}
        self.sent = 0
        self.trouble: str | None = None
        try:
            request = json.loads(line)
            taps, seconds = request["taps"], float(request["seconds"])
            needles = [bytes.fromhex(text) for text in request["needles"]]
            frames = [bytes.fromhex(text) for text in request["frames"]]
            programs = [(str(t["interface"]), bytes.fromhex(t["filter"]), bool(t.get("first"))) for t in taps]
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise BadRequestError(f"not a request: {error}") from None
        low, high = limits.NEEDLE_BYTES
        _need(0 < len(programs) <= limits.TAPS, "taps")
        _need(all(0 < len(p) <= 4096 * 8 and len(p) % 8 == 0 for _, p, _ in programs), "filter")
        _need(len(needles) <= limits.NEEDLES and all(low <= len(n) <= high for n in needles), "needles")
        _need(len(frames) <= limits.FRAMES and all(14 < len(f) <= limits.FRAME_BYTES for f in frames), "frames")
        _need(0 < seconds <= limits.SECONDS, "seconds")
        self._places: list[Tap | None] = []
        for interface, program, first in programs:
            try:
                tap = Tap(interface, program, needles, first=first)
            except (OSError, ValueError) as error:
                self._errors[len(self._places)] = f"{interface}: {getattr(error, 'strerror', None) or error}"
                self._places.append(None)
            else:
                self._places.append(tap)
                self.taps.append(tap)
        if frames:
            self._send(frames)
        self.deadline = time.monotonic() + seconds

    def _send(self, frames: list[bytes]) -> None:
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as out:
                out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, limits.MARK)  # CAP_NET_RAW is enough from 5.17 on
                out.bind((limits.DEVICE, 0))
                for frame in frames:
                    out.send(frame)
                    self.sent += 1
        except OSError as error:
            self.trouble = f"{limits.DEVICE}: {error.strerror}"

    def report(self) -> dict[str, Any]:
        """The answer, once the time is over."""
        found = [tap.finish() if tap is not None else {"error": self._errors[n]} for n, tap in enumerate(self._places)]
        return {"sent": self.sent, "trouble": self.trouble, "taps": found}

    def close(self) -> None:
        for tap in self.taps:
            tap.close()
