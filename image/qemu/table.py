"""The measurements of a test run and their limits, as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

MB = 1e6  # bytes


class Measurement(NamedTuple):
    name: str
    value: float
    unit: str = ""
    limit: float | None = None  # at most this

    def __str__(self) -> str:
        shown = f"{self.value:.6g}" if self.value == int(self.value) else f"{self.value:.2f}"
        kept = "" if self.limit is None else f"<= {self.limit:g} {self.unit}"
        missed = "  MISSED" if self.limit is not None and self.value > self.limit else ""
        return f"{self.name:<48} {shown:>9} {self.unit:<3} {kept}{missed}".rstrip()


def lines(image: Path, logs: Path) -> list[str]:
    """A line for each measurement in ``logs/measured.jsonl``, with its limit and whether the limit was kept."""
    path = logs / "measured.jsonl"
    measured = [Measurement(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
    packed = image.with_suffix(".img.xz")
    sizes = [
        Measurement("image, to download (.img.xz)", packed.stat().st_size / MB, "MB", 180),
        Measurement("image, raw", image.stat().st_size / MB, "MB"),
    ]
    return [f"{measurement}\n" for measurement in sizes + measured]
