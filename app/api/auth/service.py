"""Authentication as the API uses it: one credential store, and the parts that work on it."""

from __future__ import annotations

from pathlib import Path

from app.api.auth.api_keys import ApiKeys
from app.api.auth.credential_store import CredentialStore
from app.api.auth.first_password import FirstPasswordWindow
from app.api.auth.second_factor import SecondFactor
from app.api.auth.sessions import Sessions
from app.api.auth.sign_in import SignInService
from app.protocol.gateway import Gateway


class Auth:
    def __init__(
        self, directory: Path | None, gateway: Gateway, window: FirstPasswordWindow, *, lost: bool = False
    ) -> None:
        self.credentials = CredentialStore(directory, lost=lost)
        self.window = window
        self.sessions = Sessions(self.credentials)
        self.sign_in = SignInService(self.credentials, self.sessions, gateway, window)
        self.api_keys = ApiKeys(self.credentials)
        self.second_factor = SecondFactor(self.credentials, self.sign_in)
