"""The scopes of the API, each of which includes those before it."""

from __future__ import annotations

from typing import Literal

# What an operation needs once a password is set: nothing (public), or a session or key with at least this scope.
Scope = Literal["public", "read", "connect", "admin"]

_RANK: dict[Scope, int] = {"public": 0, "read": 1, "connect": 2, "admin": 3}


def includes(held: Scope, needed: Scope) -> bool:
    """Whether ``held`` may do what needs ``needed``."""
    return _RANK[held] >= _RANK[needed]
