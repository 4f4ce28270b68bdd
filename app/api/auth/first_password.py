"""The window in which the first password may be set: some minutes from the machine's start.

Whoever sets it owns the gateway. A device on the LAN that is taken over months later must not become the owner of a
gateway that was left without a password, so this takes somebody who can switch the machine off and on. A password can
also be set on the card at any time (gateway.toml). Fifteen minutes is how long a Matter device can be commissioned
after power-on (Matter Core Specification, 5.4.2.3.1).
"""

from __future__ import annotations

import math
import time

from app.errors import ForbiddenError

WINDOW = 15 * 60.0  # seconds
MAX_SHOWN = 24 * 3600  # seconds; of a window that a lab leaves open


def boottime() -> float:
    """Seconds since the machine's start: a restart of this process opens no new window."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class FirstPasswordWindow:
    """The window, which ends at ``until`` on the clock of :func:`boottime`."""

    def __init__(self, until: float = WINDOW) -> None:
        self._until = until

    @property
    def seconds_left(self) -> int:
        """Seconds until the window closes; 0 = it is closed."""
        return max(0, math.ceil(min(self._until - boottime(), MAX_SHOWN)))

    def check(self) -> None:
        """Raises ForbiddenError (``window_closed``)."""
        if not self.seconds_left:
            raise ForbiddenError(
                f"the first password can be set within {WINDOW / 60:.0f} minutes of the gateway's start: switch it off"
                " and on, or write the password into gateway.toml on its SD card",
                code="window_closed",
            )
