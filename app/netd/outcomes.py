"""The outcomes of commands in a bulk request (pure)."""

from __future__ import annotations

from app.errors import GatewayError
from app.protocol.answers import Done, Outcome


def done(result: object) -> Outcome:
    return Outcome(200, done=result if isinstance(result, Done) else Done())


def failed(error: GatewayError) -> Outcome:
    return Outcome(error.status, code=error.code, message=error.message, field=error.field)


def placed(error: GatewayError, number: int) -> GatewayError:
    """``error`` with the number of its command in message and field."""
    where = f"operations[{number}]"
    field = f"{where}.{error.field}" if error.field else where
    told = GatewayError(f"{where}: {error.message}; nothing was changed", field=field, code=error.code)
    told.status = error.status
    return told
