"""The WAN that ``gateway.toml`` sets: firstboot writes it to a file, netd reads it.

The file exists until the next restart; while it exists, only ``gateway.toml`` changes the port.
"""

from __future__ import annotations

from msgspec import Struct


class WanCard(Struct, frozen=True):
    by: str  # the key of gateway.toml that sets it
    wan: str | None = None
    lan: tuple[str, ...] | None = None
    carrier: str | None = None  # the port under the WAN, where that is another interface
