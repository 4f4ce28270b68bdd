"""What came of the step after netd: faults, notes, and whether another try may do better."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.errors import GatewayError


@dataclass
class Outcome:
    faults: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])  # of what was taken, but not as it was
    retry: bool = False  # something failed that may well succeed in a while


def may_succeed_later(error: GatewayError) -> bool:
    return error.status >= 500 or error.status == 429 or error.code == "busy"
