"""The kernel's network: a pure planner, and the reconciler that makes the kernel match its plan."""

from __future__ import annotations

import importlib.util
import sys

# pyroute2's __init__ imports all of the library, of which we use a small part: 5 MB of netd's memory. So the package is
# made without running it. Its modules import one another by their full names, as ours must import them.
if "pyroute2" not in sys.modules and (_spec := importlib.util.find_spec("pyroute2")) is not None:
    sys.modules["pyroute2"] = importlib.util.module_from_spec(_spec)
