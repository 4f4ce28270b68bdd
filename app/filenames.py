"""File names as users have them: which files are read, and the server name of a file (pure).

Its examples are in tests/data/files.json. First boot, which the whole start waits for, imports this module as well; so
it imports next to nothing.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 64  # characters of a server's name
NAMELESS = "server"

_ENDING = re.compile(r"(?:\.(?:conf|txt))*\Z", re.IGNORECASE)
_CONFIG = re.compile(r".\.conf(?:\.txt)?\Z", re.IGNORECASE)  # some editors add .txt and do not show it
_APOSTROPHES = dict.fromkeys(
    map(ord, "'`\N{ACUTE ACCENT}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}")
)
_UNFIT = "\0"
_RUN = re.compile(f"[{_UNFIT} ]+")
# Files that file managers create on their own, like those that begin with a dot: ._berlin.conf, .DS_Store.
_CLUTTER = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "system volume information", "$recycle.bin", "lost.dir"}
)
_RECOVERED = re.compile(r"found\.[0-9]{3}")  # Windows' chkdsk


def is_clutter(name: str) -> bool:
    """Whether operating systems create a file or folder of this name on their own."""
    folded = name.casefold()
    return name.startswith((".", "~$")) or folded in _CLUTTER or _RECOVERED.fullmatch(folded) is not None


def is_config(name: str) -> bool:
    """Whether a file of this name is to be read as a WireGuard configuration."""
    return not is_clutter(name) and _CONFIG.search(name) is not None


def server_name(file: str) -> str:
    """A server name for ``file``, a name without folders; :func:`app.providers.server_names.check_name` accepts it.

    ``berlin (1).conf`` is "berlin 1", ``us+nyc=1.conf.txt`` "us-nyc-1": a run of invalid characters becomes a
    space if it has one, else a hyphen. A valid name only loses its ending.
    """
    name = unicodedata.normalize("NFC", _ENDING.sub("", file.strip(), count=1)).translate(_APOSTROPHES)
    name = "".join(c if _fits(c) else _UNFIT for c in name).rstrip(f"{_UNFIT} ")
    start = next((at for at, c in enumerate(name) if c.isalnum()), len(name))
    name = _RUN.sub(lambda run: " " if " " in run[0] else "-", name[start:])
    # Composed a second time: an apostrophe may have stood between a letter and its accent.
    return unicodedata.normalize("NFC", name)[:MAX_NAME].rstrip() or NAMELESS


def numbered(name: str, number: int) -> str:
    """``name`` with ``number``, for a further server of that name."""
    ending = f"-{number}"
    return name[: MAX_NAME - len(ending)].rstrip() + ending


def plain(name: str) -> str:
    """``name`` for display: on one line, at most 120 characters."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return shown if len(shown) <= 120 else f"{shown[:119]}…"


def _fits(character: str) -> bool:
    return character in "._- " or unicodedata.category(character)[0] in "LMN"
