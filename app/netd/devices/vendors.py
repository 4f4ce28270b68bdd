"""The vendors of devices, by the first half of their MAC addresses, from Debian's package ieee-data.

The file has tens of thousands of vendors, a LAN a few dozen: it is read through once for those that are asked for, and
nothing else of it is kept. Without the file every vendor is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from app.mac_address import is_randomised

OUI = Path("/usr/share/ieee-data/oui.txt")  # "00-22-72   (hex)\t\tAmerican Micro-Fuel Device Corp."
MAX_NAME = 80  # characters

_REGISTRY = "IEEE Registration Authority"  # it has divided these addresses among small vendors
_KIND = b"   (hex)"


class Vendors:
    """The vendors of the devices that were asked for last."""

    def __init__(self, path: Path = OUI) -> None:
        self._path = path
        self._names: dict[str, str | None] = {}  # by the first three bytes, "00:22:72"

    def of(self, mac: str) -> str | None:
        return self._names.get(_prefix(mac))

    def lacks(self, mac: str) -> bool:
        """Whether the file was not asked for this device yet."""
        return not is_randomised(mac) and _prefix(mac) not in self._names

    async def learn(self, macs: Iterable[str]) -> None:
        """Look up all of ``macs`` at once, and forget every other vendor."""
        wanted = {_prefix(mac) for mac in macs if not is_randomised(mac)}
        names = {prefix: name for prefix, name in self._names.items() if prefix in wanted}
        if missing := wanted - names.keys():
            names |= dict.fromkeys(missing) | await asyncio.to_thread(_find, self._path, missing)
        self._names = names


def _prefix(mac: str) -> str:
    return mac[:8]


def _find(path: Path, prefixes: set[str]) -> dict[str, str | None]:
    """The names of the vendors in the file, by prefix."""
    wanted = {prefix.replace(":", "-").upper().encode(): prefix for prefix in prefixes}
    found: dict[str, str | None] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                if line[8:16] == _KIND and line[:8] in wanted:
                    found[wanted[line[:8]]] = _name(line[16:])
                    if len(found) == len(wanted):
                        break
    except OSError:
        return found
    return found


def _name(text: bytes) -> str | None:
    name = " ".join(text.decode(errors="replace").split())[:MAX_NAME]
    return name if name and name.isprintable() and name != _REGISTRY else None
