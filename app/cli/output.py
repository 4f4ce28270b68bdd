"""The output for people: tables, sizes, times. Programs use ``--json``, the unchanged answer of the API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

_UNITS = ("B", "kB", "MB", "GB", "TB")


def put_json(value: object) -> None:
    """Print ``value`` as JSON, with unprintable characters escaped: JSON itself lets U+007F to U+009F through."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def put_done(as_json: bool, answer: object, text: str) -> None:
    """Print the API's ``answer`` for programs, or for people that it is done: ``text``."""
    if as_json:
        put_json(answer)
    else:
        click.echo(clean(text))


def put_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns as wide as their longest entry, without control characters, which foreign names may hold."""
    lines = [tuple(heads), *(tuple(clean(c) for c in row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for number, line in enumerate(lines):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 else text)


def put_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Print ``name: value`` lines, without those whose value is None."""
    shown = [(name, clean(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0) + 1
    for name, value in shown:
        click.echo(f"{name + ':':<{width}} {value}")


def clean(value: object) -> str:
    """``value`` in one line, without control sequences for the terminal."""
    text = "-" if value is None else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def size(count: float | None) -> str:
    """A number of bytes in decimal units, as disks and providers count them."""
    if count is None:
        return "-"
    value = float(count)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def rate(bytes_a_second: float) -> str:
    return f"{size(bytes_a_second)}/s"


def moment(unix: float | None) -> str:
    """The local time; the bare number where it is out of the calendar's range."""
    try:
        return "-" if unix is None else datetime.fromtimestamp(unix).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(unix)


def ago(unix: float | None, now: float | None = None) -> str | None:
    if unix is None:
        return None
    seconds = max(0, int((time.time() if now is None else now) - unix))
    return f"{lasting(seconds)} ago"


def lasting(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = int(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def warn(answer: dict[str, Any]) -> None:
    """Print the warnings of an answer to standard error."""
    for warning in answer.get("warnings", ()):
        click.echo(f"warning: {clean(warning)}", err=True)
