"""The failure of an exchange."""

from __future__ import annotations


class ExchangeError(Exception):
    """The exchange failed; the message says why, for people, and holds no secret."""
