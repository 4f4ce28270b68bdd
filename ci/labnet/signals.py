"""Signal handlers that end a lab in order, whatever dispositions this process inherited."""

from __future__ import annotations

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restore_interrupt() -> None:
    """Make SIGINT raise KeyboardInterrupt, and end the children of this process.

    A shell without job control (a script, a CI runner) starts background jobs with SIGINT ignored; Python and its
    children inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end_in_order() -> None:
    """Make the first of the ENDING signals raise KeyboardInterrupt or SystemExit, so that the lab is removed.

    Later ones are ignored, so that a second Ctrl-C does not interrupt the removal. An ignored SIGHUP stays ignored:
    nohup(1) relies on it.
    """
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
