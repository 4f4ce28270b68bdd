"""API keys: the credentials of programs, instead of the password."""

from __future__ import annotations

import secrets
import time

import msgspec

from app.api.auth.credential_store import CredentialStore
from app.api.auth.credentials import KEY_PREFIX
from app.auth.scope import Scope
from app.auth.state import AuthState, Key, digest
from app.errors import ConflictError, NotFoundError

MAX_KEYS = 50


class ApiKeys:
    def __init__(self, store: CredentialStore) -> None:
        self._store = store

    def list(self) -> tuple[Key, ...]:
        """Every key, the expired ones too."""
        return tuple(
            msgspec.structs.replace(k, last_used=self._store.last_used(k.id, k.last_used))
            for k in self._store.state.keys
        )

    async def create(self, name: str, scope: Scope, lifetime: float | None) -> tuple[Key, str]:
        """A new key, and its text, which is stored nowhere. Raises ConflictError."""
        text = KEY_PREFIX + secrets.token_urlsafe(32)
        now = time.time()
        key = Key(secrets.token_hex(6), name, scope, digest(text), now, None if lifetime is None else now + lifetime)

        def change(state: AuthState) -> AuthState:
            if state.password is None:
                raise ConflictError("set a password first: without one, no key is needed", code="no_password")
            if any(k.name == name for k in state.keys):
                raise ConflictError("there is a key of this name", field="name", code="name_in_use")
            if len(state.keys) >= MAX_KEYS:
                raise ConflictError(f"there are {MAX_KEYS} keys already: revoke one first", code="too_many_keys")
            return msgspec.structs.replace(state, keys=(*state.keys, key))

        await self._store.update(change)
        return key, text

    async def revoke(self, ident: str) -> None:
        """Revoke a key. Raises NotFoundError."""

        def change(state: AuthState) -> AuthState:
            left = tuple(k for k in state.keys if k.id != ident)
            if len(left) == len(state.keys):
                raise NotFoundError("there is no such key", field="id")
            return msgspec.structs.replace(state, keys=left)

        await self._store.update(change)
