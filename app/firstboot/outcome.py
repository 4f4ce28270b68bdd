"""The outcome of the step after netd: faults, notes, and whether another try may succeed."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.errors import GatewayError


@dataclass
class Outcome:
    faults: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])  # about input that was accepted with changes
    retry: bool = False  # a failure may be temporary


def may_succeed_later(error: GatewayError) -> bool:
    return error.status >= 500 or error.status == 429 or error.code == "busy"
