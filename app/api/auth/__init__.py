"""Authentication and authorisation: one admin password, browser sessions, tokens, API keys.

Until a password is set the LAN may use the endpoints of the API contract (docs/api.md), and look. All
credentials belong to the web process and lie in one file of its own (:mod:`app.auth.store`); netd has a hash of the
password alone (:mod:`app.auth.owner`). docs/auth.md has the rules.
"""

from __future__ import annotations

from app.api.auth.principal import Principal, principal, require, require_owner

__all__ = ["Principal", "principal", "require", "require_owner"]
