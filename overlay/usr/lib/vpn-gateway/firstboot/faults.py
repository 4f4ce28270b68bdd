"""What could not be used, kept by who found it, below ``/run``: the report is made of all of it, whoever writes it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from firstboot import radio


class Source(Enum):
    """Who found it, and where that one keeps it."""

    EARLY = Path("vpn-gateway-setup/faults")
    LATE = Path("vpn-gateway-setup/faults-late")
    ACCESS_POINT = radio.STATE / "faults"


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
    """All there is, in the order in which the sources are started."""
    paths = (run / source.value for source in Source)
    return [line for path in paths if path.exists() for line in path.read_text().splitlines()]
