"""Paths that scripts and pages name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.support.escaping_paths.tree_path import TreePath

Found = Iterator[tuple[int, str]]  # line and path

WORD = re.compile(r"""[^\s"'`()\[\]<>|&;:=,]+""")
STARTS_HERE = re.compile(r"[\w.@-]+")  # not at a variable, the root of the machine or somebody's home
ROOT = "@"  # put in where a script says that it means its own folder
OWN_FOLDER = re.compile(r'"?\$\(dirname "?(?:\$0|\$\{BASH_SOURCE\[0\]\})"?\)"?')
GO_AND_TELL = re.compile(r'\$\(cd "?([^")]*)"? && pwd\)')
LINK = re.compile(r"\bln -\w*s\w* (?=[^/])(\S+) ([^\s/]\S*)/[^\s/]+")
SET_TO_A_PLACE = re.compile(rf'^\s*(?:(?:readonly|local|export) )?(\w+)="?({ROOT}[^\s"]*)', re.MULTILINE)


def shell(text: str, folder: str) -> Found:
    """A script in ``folder``. Its relative paths start at the root: our scripts go there first."""
    text = OWN_FOLDER.sub(f"{ROOT}/{folder}", text)
    text = GO_AND_TELL.sub(r"\1", text)
    for name, place in SET_TO_A_PLACE.findall(text):
        text = re.sub(rf'"?\$(?:{name}\b|\{{{name}\}})"?', place, text)
    text = LINK.sub(r"\2/\1", text)  # what a link says starts where the link is
    return _upwards(text, ".")


def linked(text: str, folder: str) -> Found:
    """A page or a configuration in ``folder``, where its relative paths start."""
    return _upwards(text, folder)


def _upwards(text: str, folder: str) -> Found:
    for match in WORD.finditer(text):
        first, *more = match[0].split("/")
        if ".." in (first, *more) and STARTS_HERE.fullmatch(first):
            place = TreePath(".").join("/".join(more)) if first == ROOT else TreePath(folder).join(match[0])
            if place is not None and place.outside:
                yield text.count("\n", 0, match.start()) + 1, place.path
