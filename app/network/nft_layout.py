"""The layout of a ruleset's text: its frame of chains and declarations, and the elements of its sets and maps (pure).

Two plans with the same frame differ in elements only, and one becomes the other without a load. What is written in
another way than :mod:`app.network.ruleset` does it stays in the frame, so that a change of it is loaded as a whole.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from msgspec import Struct

Name = tuple[str, str]  # the table's family and the set's name

_SET = re.compile(
    r"\t(?:set|map) (\w+) \{\n\t\ttypeof ([^\n:]+)(?: : ([^\n]+))?\n(?:\t\tflags (interval|timeout)\n)?"
    r"(\t\telements = \{\n([^}]*)\n\t\t\}\n)?\t\}\n"
)
_FLOWTABLE = re.compile(r"\tflowtable (\w+) \{\n\t\thook [^\n]+\n(\t\tdevices = \{ ([^}]*) \}\n)\t\}\n")
_OTHER_TABLE = "\ntable bridge "
_TIMED = re.compile(r"(?m)^add element [^\n]* timeout until [^\n]*\n")  # of TimedElement: a plan has them beside it


class SetLayout(Struct, frozen=True):
    key: tuple[str, ...]  # the fields of the packet that are looked up
    value: str | None  # None: a set
    flags: str  # "", "interval" or "timeout"
    elements: Mapping[str, str]  # value by key as they are written; values are empty in a set


class Layout(Struct, frozen=True):
    frame: str
    sets: Mapping[Name, SetLayout]
    flowtables: Mapping[Name, frozenset[str]]  # the devices of each


def layout(text: str) -> Layout:
    """Take ``text`` apart: all but the elements of sets that the planner fills is the frame."""
    sets: dict[Name, SetLayout] = {}
    flowtables: dict[Name, frozenset[str]] = {}
    frame: list[str] = []
    end = text.find(_OTHER_TABLE)
    for family, part in (("inet", text), ("bridge", "")) if end < 0 else (("inet", text[:end]), ("bridge", text[end:])):

        def take_set(match: re.Match[str], family: str = family) -> str:
            name, key, value, flags, block, body = match.groups()
            found = _elements(body or "", value)
            sets[family, name] = SetLayout(tuple(key.split(" . ")), value, flags or "", found)
            return match[0].replace(block, "") if block else match[0]

        def take_flowtable(match: re.Match[str], family: str = family) -> str:
            flowtables[family, match[1]] = frozenset(name.strip('"') for name in match[3].split(", "))
            return match[0].replace(match[2], "")

        frame.append(_FLOWTABLE.sub(take_flowtable, _SET.sub(take_set, _TIMED.sub("", part))))
    return Layout("".join(frame), sets, flowtables)


@functools.lru_cache(64)
def _elements(body: str, value: str | None) -> Mapping[str, str]:
    """The elements in the lines of ``body``. Most sets of the next plan are the same, and are not read again."""
    if not body:
        return {}
    lines = body.replace("\t", "").split(",\n")
    if value is None:
        return dict.fromkeys(lines, "")
    return {key: result for key, _, result in (line.partition(" : ") for line in lines)}


def elements(text: str, name: str) -> Mapping[str, str]:
    """The elements of the set or map ``name`` in the text of a ruleset."""
    return layout(text).sets["inet", name].elements
