"""No test calls a program that the set-up does not install.

A machine on which tests are written has many programs, and a test that calls one of them fails only on a fresh machine.
So every start of a process from Python is looked at: by tests, by the lab and by what the tests import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parents[2] / "ci" / "programs"

# Of packages that every Debian has (Essential: yes).
BASE = frozenset(
    "bash cat chmod cp date dd find grep id ln ls mkdir mktemp mv nsenter readlink rm sed seq setpriv sh sleep stat "
    "tar tee test timeout touch true truncate uname unshare".split()
)
QUICK = frozenset({"run", "test"})
IMAGE = QUICK | {"image", "foreign", "vm"}  # what `make image-test` sets up

_declared: frozenset[str] = frozenset()


class UndeclaredProgramError(Exception):
    """A program that is not in ci/programs for this target."""


def only(parts: frozenset[str]) -> None:
    """From now on the programs of these parts of the table may be called, and no others."""
    global _declared  # noqa: PLW0603 - an audit hook stays for as long as the process
    if not _declared:
        sys.addaudithook(_hook)
    rows = (line.split() for line in PROGRAMS.read_text().splitlines())
    _declared = BASE | {row[1] for row in rows if row[:1] and row[0] in parts}


def called(command: Sequence[Any]) -> list[str]:
    """The programs of a command line by name: the first word, and what another program is to run within a namespace."""
    words = [os.fsdecode(word) for word in command]
    first = words[:1]
    if words[:1] == ["nsenter"] and "--" in words:
        first += words[words.index("--") + 1 :][:1]
    if words[:3] == ["ip", "netns", "exec"]:
        first += words[4:5]
    return [word for word in first if "/" not in word]


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen":
        return
    command = details[1]
    for program in called([command] if isinstance(command, str | bytes | os.PathLike) else command):
        if program not in _declared:
            raise UndeclaredProgramError(f"{program} is of no package that the set-up installs: see ci/programs")
