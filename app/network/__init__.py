"""The kernel's network: a pure planner, and the reconciler that makes the kernel match its plan."""
