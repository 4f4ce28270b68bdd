"""Redaction of secrets by their form or by the name before them, for logs and the support file (pure)."""

from __future__ import annotations

import re

KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?!=)|\b[0-9a-fA-F]{64}\b")
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_NAMED = re.compile(
    r"(?i)((?:\b|_)(?:private[_ ]?key|preshared[_ ]?key|password|passphrase|psk|token|secret|authorization"
    r"|account(?:[_ ]number)?)"
    rf"[\"']?\s*[:=]\s*)(?:(?:bearer|basic|token)\s+)?(?:{_QUOTED}|[^\s,;}}]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
_IN_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@\"']+@")
_ACCOUNT = re.compile(r"\b\d{16}\b|\b\d{4}(?: \d{4}){3}\b")
_API_KEY = re.compile(r"\bvgw_[\w-]{20,}")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")


def redact(text: str) -> str:
    """``text`` without WireGuard keys, account numbers, tokens and whatever is named a secret (pure)."""
    for pattern in (KEY, _ACCOUNT, _API_KEY, _JWT):
        text = pattern.sub("***", text)
    for pattern in (_NAMED, _BEARER):
        text = pattern.sub(r"\1***", text)
    return _IN_URL.sub(r"\1***@", text)
