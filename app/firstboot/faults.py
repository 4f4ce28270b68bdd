"""What could not be used, kept by who found it, below ``/run``: the report is made of all of it, whoever writes it."""

from __future__ import annotations

import contextlib
from enum import Enum
from pathlib import Path

from app import atomic
from app.firstboot import radio


class Source(Enum):
    """Who found it, and where that one keeps it."""

    EARLY = Path("vpn-gateway-setup/faults")
    LATE = Path("vpn-gateway-setup/faults-late")
    ACCESS_POINT = radio.STATE / "faults"
    NETD = Path("vpn-gateway/adapters")  # app.netd.adapters


def put(run: Path, source: Source, lines: list[str]) -> None:
    """``lines`` instead of what ``source`` told before. Nothing is written where that was the same."""
    path = run / source.value
    text = "".join(f"{line}\n" for line in lines)
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.rename(path)


def told(run: Path) -> list[str]:
    """All there is, in the order in which the sources are started.

    What this is made into, everybody can read; netd may write one of the files, and must not have root follow a link.
    """
    found: list[str] = []
    for source in Source:
        with contextlib.suppress(OSError):
            found += (atomic.read(run / source.value) or b"").decode(errors="replace").splitlines()
    return found
