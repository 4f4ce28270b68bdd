"""pyroute2 without its ``__init__``, which imports all of the library: 5 MB of netd's memory for parts it never uses.

The package is made without being run. Its modules import one another by their full names, as ours must import them.
``pyroute2-minimal`` still loads 2 MB more than this and, loaded this way, is no smaller.
"""

from __future__ import annotations

import importlib.util
import sys

PACKAGE = "pyroute2"


def skip_package_init() -> None:
    """Must be called before the first import of the library; later it does nothing."""
    if PACKAGE not in sys.modules and (spec := importlib.util.find_spec(PACKAGE)) is not None:
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
