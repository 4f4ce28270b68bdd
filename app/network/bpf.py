"""An assembler of classic BPF, which the kernel runs on packets (pure). Source: the kernel's filter document, bpf(4).

Classic BPF needs no bpf(2), and so no capability but CAP_NET_ADMIN, to be attached by traffic control.
"""

from __future__ import annotations

import struct

from msgspec import Struct

# linux/filter.h: offsets that load a packet's metadata, and the offset of its network header.
PROTOCOL, PACKET_TYPE, MARK = (-0x1000 + n for n in (0, 4, 20))
NETWORK = -0x100000

LOAD4, LOAD2, LOAD1 = 0x20, 0x28, 0x30  # A = big-endian word, half word, byte of the packet at k
LOAD4_AT_X, LOAD2_AT_X = 0x40, 0x48  # the same at X + k
LENGTH_TO_X = 0xB1  # X = 4 * (the low half of the byte at k): the length of an IPv4 header
AND = 0x54  # A &= k
STORE, LOAD_X = 0x02, 0x61  # memory word k = A; X = memory word k
EQUAL, AT_LEAST, ANY_BIT, EQUAL_X = 0x15, 0x35, 0x45, 0x1D  # jumps: A == k, A >= k, A & k, A == X
RETURN = 0x06

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter


class Step(Struct, frozen=True):
    """One instruction. A jump goes to the labels ``yes`` and ``no``; without a label to the next instruction."""

    code: int
    value: int = 0
    yes: str = ""
    no: str = ""


def assemble(steps: list[Step | str]) -> bytes:
    """The program of ``steps``, in which a text is the label of the step behind it."""
    places: dict[str, int] = {}
    count = 0
    for step in steps:
        if isinstance(step, str):
            places[step] = count
        else:
            count += 1
    program = b""
    for step in steps:
        if isinstance(step, Step):
            here = len(program) // _INSTRUCTION.size + 1
            yes, no = (places[label] - here if label else 0 for label in (step.yes, step.no))
            program += _INSTRUCTION.pack(step.code, yes, no, step.value & 0xFFFFFFFF)
    return program


def as_text(program: bytes) -> str:
    """The program in the form of tc-bpf(8): the number of instructions, then each one's four numbers."""
    found = [f"{code} {yes} {no} {value}" for code, yes, no, value in _INSTRUCTION.iter_unpack(program)]
    return ",".join((str(len(found)), *found))
