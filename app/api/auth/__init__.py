"""Authentication and authorisation: one admin password, browser sessions, tokens, API keys.

Until a password is set the LAN is trusted, as in the API contract (docs/api.md). All credentials belong to the web
process and lie in one file of its own (:mod:`app.auth.store`); netd knows nothing of them. docs/auth.md has the rules.
"""

from __future__ import annotations

from app.api.auth.principal import Principal, principal, require

__all__ = ["Principal", "principal", "require"]
