"""The process that owns the kernel's network and the keys."""
