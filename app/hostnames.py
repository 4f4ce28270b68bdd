"""The syntax of host names as users write them (RFC 1123, pure)."""

from __future__ import annotations

import re

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_LENGTH = 253  # characters


def is_host_name(text: str) -> bool:
    """Whether ``text`` is one label or several with dots between, in any case, and not a mistyped address.

    A last label of digits indicates an address (RFC 3696, section 2).
    """
    labels = text.lower().removesuffix(".").split(".")
    return len(text) <= _MAX_LENGTH and all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()
