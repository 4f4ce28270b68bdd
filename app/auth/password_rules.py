"""The rules of a new admin password, for the web interface and for ``gateway.toml`` (pure).

First boot, which the whole start waits for, imports this module; so the hashing is elsewhere.
"""

from __future__ import annotations

import unicodedata

from app.errors import InvalidFieldError

MIN_LENGTH, MAX_LENGTH = 10, 1024  # characters
MIN_DISTINCT = 5


def normalized(password: str) -> str:
    """``password`` in its one spelling (NIST SP 800-63B 3.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_new(password: str) -> str:
    """``password`` as it is to be hashed. Raises InvalidFieldError."""
    text = normalized(password)
    if len(text) < MIN_LENGTH:
        raise InvalidFieldError(f"password: at least {MIN_LENGTH} characters", field="password")
    if len(text) > MAX_LENGTH:
        raise InvalidFieldError(f"password: at most {MAX_LENGTH} characters", field="password")
    if len(set(text)) < MIN_DISTINCT:
        raise InvalidFieldError(
            f"password: too easy to guess; use at least {MIN_DISTINCT} different characters", field="password"
        )
    return text
