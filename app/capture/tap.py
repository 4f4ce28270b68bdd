"""A tap: one packet socket with a filter on one interface, and what it has seen. packet(7)."""

from __future__ import annotations

import array
import errno
import socket
import struct
from typing import Any

from app.capture.limits import BUFFER_BYTES, PACKETS, RECEIVE_BYTES, SAMPLE_BYTES, SAMPLES

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; the same on x86, ARM and RISC-V
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_INSTRUCTION = 8  # bytes, struct sock_filter
_DEAF = struct.pack("=HBBI", 0x06, 0, 0, 0)  # return 0: take no packet


class Tap:
    """The packets of ``interface`` that pass ``program``, each searched for the needles.

    The filter is attached before the socket is bound, so that no other packet ever gets in. Packets come without the
    link's header, so Ethernet, PPP and tunnels look alike.
    """

    def __init__(self, interface: str, program: bytes, needles: list[bytes], *, first: bool) -> None:
        """``first``: one packet is enough. Raises OSError: no such interface, or not permitted."""
        self.interface = interface
        self.matched = 0
        self.seen: dict[int, int] = {}  # packets by the number of their needle
        self.samples: list[bytes] = []
        self._needles = [needle.lower() for needle in needles]
        self._most = 1 if first else PACKETS
        self._lost = 0
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        try:
            self._attach(program)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self.socket.bind((interface, _ETH_P_ALL))
            self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # that it is down is no fault: nothing passes
        except BaseException:
            self.socket.close()
            raise

    def _attach(self, program: bytes) -> None:
        code = array.array("B", program)
        where, _ = code.buffer_info()
        self.socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program) // _INSTRUCTION, where)
        )

    def read(self) -> None:
        """Look at what has come. Raises OSError where the interface is gone."""
        for _ in range(64):
            try:
                packet = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # told once; packets come again when it is up
                    return
                raise
            self._look(packet)
            if self.matched >= self._most:
                self._attach(_DEAF)
                if self._most == PACKETS:
                    self._lost += 1
                return

    def _look(self, packet: bytes) -> None:
        self.matched += 1
        text = packet.lower()  # a resolver may change the case of a name's letters
        for number, needle in enumerate(self._needles):
            if needle in text:
                self.seen[number] = self.seen.get(number, 0) + 1
                if len(self.samples) < SAMPLES:
                    self.samples.append(packet[:SAMPLE_BYTES])

    def finish(self) -> dict[str, Any]:
        """What was seen, once the last packets are read; ``missed`` packets passed the filter and were not read."""
        try:
            self.read()
            _, dropped = struct.unpack("II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        except OSError as error:
            return {"error": f"{self.interface}: {error.strerror}"}
        return {
            "matched": self.matched,
            "missed": dropped + self._lost,
            "seen": sorted(self.seen.items()),
            "samples": [sample.hex() for sample in self.samples],
        }

    def close(self) -> None:
        self.socket.close()
