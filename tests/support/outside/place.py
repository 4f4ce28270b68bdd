"""A path that is known to start in the tree. What is absolute, or starts at an unknown variable, is none."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Told from the tree's root: ``../x`` is beside the tree."""

    path: str

    def join(self, more: str) -> Place | None:
        return None if more.startswith("/") else Place(posixpath.normpath(f"{self.path}/{more}"))

    @property
    def parent(self) -> Place:
        return Place(posixpath.normpath(f"{self.path}/.."))

    def climb(self, steps: int) -> Place:
        return self.parent.climb(steps - 1) if steps else self

    @property
    def outside(self) -> bool:
        return self.path == ".." or self.path.startswith("../")
