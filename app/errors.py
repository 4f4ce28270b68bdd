"""The root of every error that the gateway raises on purpose.

Each error carries what a client needs (HTTP ``status``, stable ``code``, human ``message``, the ``field`` at fault), so
that one place in ``app.api`` turns any of them into the error form of the API contract (docs/api.md). Messages never
hold a secret: they name the field and the reason, not the value of a key.
"""


class GatewayError(Exception):
    """The root of all deliberate errors; any other exception is a bug (HTTP 500)."""

    status: int = 500
    code: str = "internal"
    retry_after: float | None = None  # seconds until the same request is worth another try

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class MalformedRequestError(GatewayError):
    """The request could not be parsed (RFC 9110 15.5.1)."""

    status = 400
    code = "malformed_request"


class UnauthorizedError(GatewayError):
    """The request has no valid credentials (RFC 9110 15.5.2); ``challenge`` is the value of ``WWW-Authenticate``."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str, *, challenge: str, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message, field=field, code=code)
        self.challenge = challenge


class ForbiddenError(GatewayError):
    """The request is refused: cross-site, DNS rebinding, or not permitted (RFC 9110 15.5.4)."""

    status = 403
    code = "forbidden"


class NotFoundError(GatewayError):
    """The path, server, provider, exit or device does not exist (RFC 9110 15.5.5)."""

    status = 404
    code = "not_found"


class ConflictError(GatewayError):
    """The request is well formed but clashes with the present state, such as a name in use (RFC 9110 15.5.10)."""

    status = 409
    code = "conflict"


class TooLargeError(GatewayError):
    """The content is larger than the limit (RFC 9110 15.5.14)."""

    status = 413
    code = "too_large"


class UnsupportedMediaTypeError(GatewayError):
    """The content has an unsupported media type (RFC 9110 15.5.16)."""

    status = 415
    code = "unsupported_media_type"


class InvalidFieldError(GatewayError):
    """A field has an invalid value (RFC 9110 15.5.21); ``field`` names it."""

    status = 422
    code = "invalid_field"


class TooManyRequestsError(GatewayError):
    """The client has sent too many requests (RFC 6585 4); ``retry_after`` is in seconds."""

    status = 429
    code = "too_many_requests"

    def __init__(
        self, message: str, *, field: str | None = None, code: str | None = None, retry_after: float = 1.0
    ) -> None:
        super().__init__(message, field=field, code=code)
        self.retry_after: float | None = retry_after


class NotImplementedYetError(GatewayError):
    """The capability is specified, and this version does not have it (RFC 9110 15.6.2)."""

    status = 501
    code = "not_implemented"


class UnavailableError(GatewayError):
    """The gateway cannot serve this now, for instance because netd does not answer (RFC 9110 15.6.4)."""

    status = 503
    code = "unavailable"


class ConnectTimeoutError(GatewayError):
    """There was no handshake in time; the message names the cause (RFC 9110 15.6.5)."""

    status = 504
    code = "connect_timeout"


class KernelError(GatewayError):
    """The kernel refused a plan. The gateway stays blocked."""

    status = 500
    code = "kernel"


def missing_password() -> InvalidFieldError:
    """The error of a request that must carry the owner's password, and does not."""
    return InvalidFieldError(
        "password: the admin password, again, for this needs more than a sign-in or an API key",
        field="password",
        code="missing_field",
    )
