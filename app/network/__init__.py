"""The kernel's network: a pure planner, and the reconciler that makes the kernel match its plan."""

from app.lean import skip_package_init

# pyroute2's __init__ imports all of the library: 5 MB of netd's memory for parts it never uses. "pyroute2-minimal"
# loads 2 MB more than this and, loaded this way, is no smaller.
skip_package_init("pyroute2")
