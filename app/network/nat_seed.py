"""The key of the hash that gives a device's connections their outside ports: new at each start of the machine.

It is the same after a restart of netd, so that a game keeps its port. Devices cannot read what it is made of.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


def read() -> int:
    """32 bits, never 0. Raises OSError."""
    digest = hashlib.blake2s(_BOOT_ID.read_bytes(), person=b"nat seed").digest()
    return int.from_bytes(digest[:4]) or 1
