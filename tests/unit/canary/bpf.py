"""A machine for the instructions of classic BPF that :mod:`app.network.bpf` assembles: what a filter takes."""

from __future__ import annotations

import struct

_NETWORK, _AD = 0x100000, 0x1000
_PROTOCOL, _PACKET_TYPE = 0, 4


def taken(program: bytes, packet: bytes, protocol: int, *, outgoing: bool) -> int:
    """The bytes of ``packet``, which begins with its network header, that the program takes; 0 = none."""
    steps = list(struct.iter_unpack("=HBBi", program))
    a = x = at = 0

    def load(k: int, size: int) -> int | None:
        if -_AD <= k < 0:
            return {_PROTOCOL: protocol, _PACKET_TYPE: 4 if outgoing else 0}[k + _AD]
        place = k + _NETWORK if k < 0 else k
        return int.from_bytes(packet[place : place + size]) if place + size <= len(packet) else None

    while True:
        code, yes, no, k = steps[at]
        at += 1
        match code:
            case 0x20 | 0x28 | 0x30:
                found = load(k, {0x20: 4, 0x28: 2, 0x30: 1}[code])
            case 0x40 | 0x48:
                found = load(k + x, {0x40: 4, 0x48: 2}[code])
            case 0xB1:
                byte = load(k, 1)
                if byte is None:
                    return 0
                x, found = 4 * (byte & 0xF), a
            case 0x54:
                found = a & k & 0xFFFFFFFF
            case 0x15 | 0x35 | 0x45:
                value = k & 0xFFFFFFFF
                holds = {0x15: a == value, 0x35: a >= value, 0x45: bool(a & value)}[code]
                at += yes if holds else no
                continue
            case 0x06:
                return k & 0xFFFFFFFF
            case _:
                raise AssertionError(hex(code))
        if found is None:  # behind the packet's end: the kernel drops it
            return 0
        a = found
