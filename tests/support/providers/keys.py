"""Public keys for server lists, by number, without known private keys."""

from __future__ import annotations

import base64


def key(number: int) -> str:
    return base64.b64encode(number.to_bytes(32, "big")).decode()
