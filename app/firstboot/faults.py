"""The faults that each step found, kept below ``/run``, so that any step can write a complete report."""

from __future__ import annotations

import contextlib
from enum import Enum
from pathlib import Path

from app import atomic
from app.firstboot import radio
from app.firstboot.paths import write


class Source(Enum):
    """The steps that find faults, each with the file for them."""

    CONFIGURATION = Path("vpn-gateway-setup/faults")
    IMPORT = Path("vpn-gateway-setup/faults-late")
    ACCESS_POINT = radio.STATE / "faults"
    NETD = Path("vpn-gateway/adapters")  # app.netd.adapters


def record(run: Path, source: Source, lines: list[str]) -> None:
    """Replace the faults of ``source`` by ``lines``. An unchanged file is not written."""
    path = run / source.value
    text = "".join(f"{line}\n" for line in lines)
    if path.exists() and path.read_text() == text:
        return
    write(path, text.encode(), 0o644)


def recorded(run: Path) -> list[str]:
    """All faults, in the order in which the steps start.

    Links are not followed: netd may write one of the files, and the report, which root writes, is world-readable.
    """
    found: list[str] = []
    for source in Source:
        with contextlib.suppress(OSError):
            found += (atomic.read(run / source.value) or b"").decode(errors="replace").splitlines()
    return found
