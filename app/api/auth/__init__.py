"""Who may use the API: one admin password, and what it hands out - browser sessions, tokens, API keys.

Until a password is set the LAN is trusted, as the reference has it. All of it belongs to the web process and lies in
one file of its own (:mod:`app.auth.store`); netd knows nothing of it. docs/auth.md says what is promised.
"""

from __future__ import annotations

from app.api.auth.principal import Principal, principal, require

__all__ = ["Principal", "principal", "require"]
