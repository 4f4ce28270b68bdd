"""The report on the FAT partition: everything that could not be used, for the user who holds the card."""

from __future__ import annotations

from pathlib import Path

from app.firstboot import faults, radio
from app.firstboot.configuration import stored_config
from app.firstboot.fat import REPORT, Fat
from app.firstboot.paths import Paths
from app.firstboot.programs import ProgramError

NET = Path("/sys/class/net")


def report_all(paths: Paths, net: Path = NET) -> None:
    """Report the faults of all steps, and a missing radio, whose driver has had time to load by now."""
    missing = radio.missing(stored_config(paths), (net / radio.RADIO).exists())
    write_report(paths, faults.recorded(paths.run) + missing)


def write_report(paths: Paths, lines: list[str]) -> None:
    """Write ``lines`` as the report, or remove it where there are none. The card is written only for a change."""
    path = paths.fat / REPORT
    text = "\r\n".join(("VPN Gateway could not use everything here as it found it:", "", *lines, ""))
    try:
        if not lines:
            if path.exists():
                with Fat(paths.fat).writable():
                    path.unlink()
        elif not path.exists() or path.read_bytes() != text.encode():
            with Fat(paths.fat).writable():
                path.write_bytes(text.encode())
    except (OSError, ProgramError) as error:
        print(f"the report could not be written: {error}")
