"""What can go wrong with a provider, each with a code of its own. No message holds an account number or a token."""

from __future__ import annotations

from app.errors import ConflictError, GatewayError, InvalidFieldError, UnavailableError


class WrongCredentialsError(InvalidFieldError):
    """The provider does not know this account, or the password is another; ``field`` is the form's."""

    code = "wrong_credentials"


class NotSignedInError(ConflictError):
    """There is no account of this provider here."""

    code = "not_signed_in"


class AccountExpiredError(ConflictError):
    """The account is known and its time ran out at ``expires`` (Unix time, 0 = not told)."""

    code = "account_expired"

    def __init__(self, message: str, *, expires: float = 0.0) -> None:
        super().__init__(message)
        self.expires = expires


class TooManyDevicesError(ConflictError):
    """The account has no room for this gateway; the message names its devices where the provider tells them."""

    code = "too_many_devices"


class KeyInUseError(ConflictError):
    """Somebody has registered this public key already."""

    code = "key_in_use"


class KeyRevokedError(ConflictError):
    """The provider no longer knows this gateway's device or key."""

    code = "key_revoked"


class ProviderDownError(UnavailableError):
    """The provider's API could not be reached, or answered with an error of its own."""

    code = "provider_unavailable"


class RateLimitedError(UnavailableError):
    """The provider rate-limits this gateway: retry after ``retry_after`` seconds."""

    code = "provider_rate_limited"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadAnswerError(GatewayError):
    """The provider's answer makes no sense: wrong types, too large, or nothing usable in it (RFC 9110 15.6.3)."""

    status = 502
    code = "provider_bad_answer"


class RefusedError(BadAnswerError):
    """The provider refused a request for a reason that this version does not know."""


class TokenRefusedError(GatewayError):
    """The access token is no longer good: ask for another."""

    status = 502
    code = "token_refused"
