"""The kernel's network: a pure planner, and the reconciler that makes the kernel match its plan."""

from app.network.lean_pyroute2 import skip_package_init

skip_package_init()
