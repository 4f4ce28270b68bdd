"""Kernel parameters below /proc/sys, by path with slashes (an interface's name may hold a dot)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value now; None where the kernel has no such parameter (an interface that is gone)."""
    try:
        return " ".join((ROOT / name).read_text().split())
    except OSError:
        return None


def write(name: str, value: str) -> None:
    """Raises OSError, which names the file."""
    (ROOT / name).write_text(value)


def forwards(name: str) -> bool:
    """Whether the parameter turns forwarding on: to be done only when both locks are closed (pure)."""
    return name.rpartition("/")[2] in {"ip_forward", "forwarding"}
