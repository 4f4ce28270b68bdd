"""The bodies of this package's requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.auth.passwords import MAX_LENGTH
from app.auth.scope import Scope

PasswordText = Annotated[str, Meta(max_length=MAX_LENGTH)]
Code = Annotated[str, Meta(max_length=64)]
KeyScope = Literal["read", "connect", "admin"]


class RedactedStruct(Struct, frozen=True):
    """A Struct whose representation hides its fields, so that no log or error shows them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


# --- requests --------------------------------------------------------------------------------------------------------


class SetPassword(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    password: PasswordText
    current: PasswordText | None = None  # needed where a password is set
    code: Code | None = None  # and this where there is a second factor


class Login(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    password: PasswordText
    code: Code | None = None  # of the second factor, or a recovery code
    mode: Literal["token", "cookie"] = "token"  # a browser's page takes a cookie, which no script can read
    scope: KeyScope = "admin"  # the most that the tokens may do


class Refresh(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, Meta(max_length=2048)]


class NewKey(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
    scope: KeyScope = "read"
    expires_in_days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    password: PasswordText | None = None  # the admin password; needed also with a session or a key
    code: Code | None = None  # and this where there is a second factor


class Confirmation(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    """The password again, where what is asked for lets devices out in the clear that may not leave so now."""

    password: PasswordText | None = None
    code: Code | None = None  # and this where there is a second factor


class Enrol(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    password: PasswordText


class ConfirmTotp(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    code: Code


class DisableTotp(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    password: PasswordText
    code: Code


# --- answers ---------------------------------------------------------------------------------------------------------


class Tokens(RedactedStruct, frozen=True, omit_defaults=True):
    """As in RFC 6749 5.1; with ``mode: cookie`` there is no token in it."""

    success: bool
    access_token: str | None = None
    token_type: str | None = None
    expires_in: int | None = None  # seconds
    refresh_token: str | None = None
    scope: Scope | None = None


class WhoBody(Struct, frozen=True):
    available: bool  # whether this gateway can keep a password
    password_set: bool
    second_factor: bool
    authenticated: bool  # True for every client while no password is set; docs/auth.md lists what is open then
    kind: Literal["open", "browser", "token", "key"] | None
    scope: Scope | None
    first_password_seconds: int | None  # left in which the first password can be set; null = one is set


class SessionBody(Struct, frozen=True):
    id: str
    kind: Literal["browser", "token"]
    scope: Scope
    created: float  # Unix time, as the others
    last_used: float
    expires: float
    address: str  # it was opened from
    agent: str
    current: bool  # the one that asks


class SessionsBody(Struct, frozen=True):
    sessions: tuple[SessionBody, ...]


class KeyBody(Struct, frozen=True):
    id: str
    name: str
    scope: Scope
    created: float  # Unix time
    expires: float | None
    last_used: float | None


class KeysBody(Struct, frozen=True):
    keys: tuple[KeyBody, ...]


class CreatedKey(RedactedStruct, frozen=True):
    success: bool
    id: str
    key: str  # shown this once


class EnrolmentBody(RedactedStruct, frozen=True):
    success: bool
    secret: str  # base32, to be typed where the code cannot be scanned
    uri: str
    qr: str  # an SVG document


class RecoveryBody(RedactedStruct, frozen=True):
    success: bool
    recovery_codes: tuple[str, ...]  # each good for one sign-in; shown this once
