"""pyroute2 without its ``__init__``, which imports all of the library: 5 MB of netd's memory for parts it never uses.

An empty package object is registered in its place. The library's modules import one another by their full names, and
our code must do the same. ``pyroute2-minimal`` loads 2 MB more than this and, loaded this way, is no smaller.
"""

from __future__ import annotations

import importlib.util
import sys

PACKAGE = "pyroute2"


def skip_package_init() -> None:
    """Register the package without running it, before the first import of the library; later this does nothing."""
    if PACKAGE not in sys.modules and (spec := importlib.util.find_spec(PACKAGE)) is not None:
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
