"""The modules of the page's first view, for its ``modulepreload`` links: they are fetched at once, not in turn."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

IMPORT = re.compile(r"""(?:^|[;}])\s*(?:import|export)\b[^;"'()]*?(?:from\s*)?["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)


def needed(first: str, sources: Mapping[str, str]) -> list[str]:
    """The names of ``first`` and all that it imports, directly or not; a module that is loaded later is left out."""
    found: dict[str, None] = {}
    waiting = [first]
    while waiting:
        name = waiting.pop(0)
        if name in found or name not in sources:
            continue
        found[name] = None
        folder = posixpath.dirname(name)
        waiting += [posixpath.normpath(posixpath.join(folder, path)) for path in IMPORT.findall(sources[name])]
    return list(found)


def links(names: list[str]) -> str:
    return "\n  ".join(f'<link rel="modulepreload" href="/static/{name}">' for name in names)
