"""A path relative to the tree; absolute paths and those behind an unknown variable have no such path."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass


@dataclass(frozen=True)
class TreePath:
    """A path relative to the tree's root: ``../x`` is beside the tree."""

    path: str

    def join(self, more: str) -> TreePath | None:
        return None if more.startswith("/") else TreePath(posixpath.normpath(f"{self.path}/{more}"))

    @property
    def parent(self) -> TreePath:
        return TreePath(posixpath.normpath(f"{self.path}/.."))

    def climb(self, steps: int) -> TreePath:
        return self.parent.climb(steps - 1) if steps else self

    @property
    def outside(self) -> bool:
        return self.path == ".." or self.path.startswith("../")
