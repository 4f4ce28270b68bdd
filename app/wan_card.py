"""The WAN as ``gateway.toml`` names it: firstboot writes it into a file, netd reads it.

The file lasts as long as the machine runs; while it exists, only ``gateway.toml`` changes the port.
"""

from __future__ import annotations

from msgspec import Struct


class WanCard(Struct, frozen=True):
    by: str  # the key that names it
    wan: str | None = None
    lan: tuple[str, ...] | None = None
    carrier: str | None = None  # the port under the WAN, where that is another interface
