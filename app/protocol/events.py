"""Events: what happened, numbered and dated."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Event(Struct, frozen=True):
    """Something that happened. ``type`` is one of the reference's: status_change, server_update, security_alert, ..."""

    seq: int
    time: float
    type: str
    payload: dict[str, Any]
