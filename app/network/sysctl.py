"""Kernel parameters below /proc/sys, by path with slashes (an interface's name may hold a dot)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value now; None where the kernel has no such parameter (an interface that is gone)."""
    try:
        return (ROOT / name).read_text().strip()
    except OSError:
        return None


def write(name: str, value: str) -> None:
    """Raises OSError."""
    (ROOT / name).write_text(value)
