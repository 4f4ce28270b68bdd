"""The assembly of the support file out of its sections, within a size that can be attached to any report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from app.support.redact import Redactor

MAX_BYTES = 1_000_000  # of the whole file
MAX_LINE = 2000  # characters

ABOUT = """\
VPN Gateway: support file

For finding out why a gateway does not do what it should. Removed are keys, passwords, passphrases, tokens, account
numbers, names of Wi-Fi networks and of devices, the second half of each MAC address, and every public address:
public-address-1 is the same address wherever it appears. Names of servers and private addresses are in the file. Read
it before you share it.
"""


class Section(Struct, frozen=True):
    """A section; ``text`` is its content or says why there is none, ``keep`` is the end that is kept of a long one."""

    title: str
    text: str
    limit: int = 60_000  # characters
    keep: Literal["first", "last"] = "first"


def unreadable(error: BaseException | str) -> str:
    """The text of a section whose source could not be read."""
    reason = error if isinstance(error, str) else getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"(could not be read: {reason})"


def assemble(sections: Sequence[Section], redactor: Redactor) -> str:
    """The file's whole text, with a note wherever a part is left out (pure)."""
    parts = [ABOUT]
    left = MAX_BYTES - len(ABOUT.encode()) - 1000 - sum(len(s.title.encode()) * 2 + 200 for s in sections)
    for section in sections:
        text = _redacted(section, redactor)
        if len(text.encode()) > left:
            text = "(left out: the file would become too large)"
        left -= len(text.encode())
        parts.append(_headed(redactor.text(section.title), text))
    return "\n".join(parts)


def followed(text: str, section: Section, redactor: Redactor) -> str:
    """A finished file with one more section, redacted also by the secrets and names of ``redactor`` (pure)."""
    return f"{redactor.known(text)}\n{_headed(section.title, _redacted(section, redactor))}"


def _headed(title: str, text: str) -> str:
    return f"{title}\n{'=' * len(title)}\n\n{text}\n"


def _redacted(section: Section, redactor: Redactor) -> str:
    """A section's text, redacted. Excess lines are dropped before, which saves seconds; long ones cut after."""
    text, left_out = _shortened(section.text.rstrip(), section.limit, section.keep)
    text = redactor.text(text)
    text = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    lines = [line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} ..." for line in text.split("\n")]
    if left_out:
        lines.insert(len(lines) if section.keep == "first" else 0, f"({left_out} more lines were left out)")
    return "\n".join(lines) or "(nothing)"


def _shortened(text: str, limit: int, keep: Literal["first", "last"]) -> tuple[str, int]:
    """As many whole lines as fit, and the number of lines left out."""
    lines = text.split("\n")
    kept: list[str] = []
    size = 0
    for line in lines if keep == "first" else reversed(lines):
        size += len(line) + 1
        if size > limit:
            break
        kept.append(line)
    if keep == "last":
        kept.reverse()
    return "\n".join(kept), len(lines) - len(kept)
