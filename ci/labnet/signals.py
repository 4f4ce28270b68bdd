"""The signals that end what runs here: always the same ones, whatever this process inherited."""

from __future__ import annotations

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restore_interrupt() -> None:
    """SIGINT raises KeyboardInterrupt, and ends what is started from here.

    A shell without job control, as a script or a CI runner has, starts its background jobs ignoring SIGINT; Python and
    every child of it then go on ignoring it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end_in_order() -> None:
    """The first of the ENDING signals raises KeyboardInterrupt or SystemExit, so that what was made is taken away.

    Later ones do nothing, so that whoever presses Ctrl-C again does not leave half of it behind. A SIGHUP that is
    ignored stays so: nohup(1) does that on purpose.
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
