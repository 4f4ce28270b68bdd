"""A line of the result table, and its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """``value`` is compared with ``target``: a ratio, milliseconds or megabytes, according to ``unit``."""

    what: str
    ours: str
    beside: str
    value: float
    target: float
    unit: str = ""
    at_least: bool = False

    def __str__(self) -> str:
        met = self.value >= self.target if self.at_least else self.value <= self.target
        sign = ">=" if self.at_least else "<="
        verdict = "" if met else "  MISSED"
        value, target = f"{self.value:.2f}{self.unit}", f"{sign}{self.target:g}{self.unit}"
        return f"{self.what:72} {self.ours:>11} {self.beside:>11} {value:>9} {target:>8}{verdict}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of ``values`` lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def spread(values: Sequence[float]) -> str:
    """How far the middle half of ``values`` lies around their median, and how many they are: ``±4% of 15``."""
    middle = median(values)
    half = (percentile(values, 0.75) - percentile(values, 0.25)) / 2
    return f"±{half / middle * 100 if middle else 0:.0f}% of {len(values)}"
