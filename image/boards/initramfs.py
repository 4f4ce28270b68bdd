"""The contents of an initrd: concatenated cpio archives, of which the last may be compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAGIC = b"070701"
HEADER = 110  # bytes: the magic and 13 numbers of 8 hex digits (cpio(5), the "newc" format)
SIZE, NAME_SIZE = 6, 11  # which of the numbers
LAST = "TRAILER!!!"


def names(initrd: bytes, decompress: Callable[[bytes], bytes]) -> Iterator[str]:
    """The paths in an initrd; ``decompress`` receives the data after the uncompressed archives."""
    offset = 0
    while offset < len(initrd):
        if initrd[offset] == 0:  # archives are padded with zeros
            offset += 1
        elif initrd.startswith(MAGIC, offset):
            numbers = [int(initrd[at : at + 8], 16) for at in range(offset + len(MAGIC), offset + HEADER, 8)]
            begin = offset + HEADER
            name = initrd[begin : begin + numbers[NAME_SIZE] - 1].decode()
            if name != LAST:
                yield name
            offset = _aligned(_aligned(begin + numbers[NAME_SIZE]) + numbers[SIZE])
        else:
            yield from names(decompress(initrd[offset:]), decompress)
            return


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3
