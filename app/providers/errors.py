"""The errors of providers, each with its own code. No message contains an account number or a token."""

from __future__ import annotations

from app.errors import ConflictError, GatewayError, InvalidFieldError, UnavailableError


class WrongCredentialsError(InvalidFieldError):
    """The provider does not know the account, or the password is wrong; ``field`` is that of the form."""

    code = "wrong_credentials"


class NotSignedInError(ConflictError):
    """No account of this provider is signed in."""

    code = "not_signed_in"


class KeyFromFileError(ConflictError):
    """The account is only a key from an imported file, with which the provider's API cannot be asked."""

    code = "key_from_file"


class AccountExpiredError(ConflictError):
    """The account expired at ``expires`` (Unix time, 0 = unknown)."""

    code = "account_expired"

    def __init__(self, message: str, *, expires: float = 0.0) -> None:
        super().__init__(message)
        self.expires = expires


class TooManyDevicesError(ConflictError):
    """The account has no room for this gateway; the message names its devices where the provider lists them."""

    code = "too_many_devices"


class KeyInUseError(ConflictError):
    """The public key is already registered."""

    code = "key_in_use"


class KeyRevokedError(ConflictError):
    """The provider no longer knows this gateway's device or key."""

    code = "key_revoked"


class ProviderDownError(UnavailableError):
    """The provider's API is unreachable or reports an internal error."""

    code = "provider_unavailable"


class BlockedError(UnavailableError):
    """A content delivery network in front of the provider's API refuses this gateway; the API has not been asked."""

    code = "provider_blocks_us"


class RateLimitedError(UnavailableError):
    """The provider rate-limits this gateway: retry after ``retry_after`` seconds."""

    code = "provider_rate_limited"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadAnswerError(GatewayError):
    """The provider's answer is invalid: wrong types, too large, or nothing usable in it (RFC 9110 15.6.3)."""

    status = 502
    code = "provider_bad_answer"


class RefusedError(BadAnswerError):
    """The provider refused a request for an unknown reason."""


class TokenRefusedError(GatewayError):
    """The access token is no longer valid and must be renewed."""

    status = 502
    code = "token_refused"
