"""The outcomes of commands in a bulk request (pure)."""

from __future__ import annotations

from app.errors import GatewayError
from app.protocol.answers import Done, Outcome


def from_result(result: object) -> Outcome:
    return Outcome(200, done=result if isinstance(result, Done) else Done())


def from_error(error: GatewayError) -> Outcome:
    return Outcome(error.status, code=error.code, message=error.message, field=error.field)


def with_position(error: GatewayError, number: int) -> GatewayError:
    """``error`` with the number of its command in message and field."""
    where = f"operations[{number}]"
    field = f"{where}.{error.field}" if error.field else where
    positioned = GatewayError(f"{where}: {error.message}; nothing was changed", field=field, code=error.code)
    positioned.status = error.status
    return positioned
