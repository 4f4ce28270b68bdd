"""How a long-lived process loads its modules."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator


@contextlib.contextmanager
def gc_disabled() -> Generator[None]:
    """Load without the garbage collector: what modules make stays, and to look through it took a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
