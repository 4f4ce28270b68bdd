"""Tell systemd how this process is: ready, alive, on its way out (sd_notify(3)).

Liveness is told by the event loop itself: a loop that hangs tells nothing, and systemd restarts the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send ``state``, such as ``READY=1``, to the service manager; False where there is none or it did not take it.

    ``NOTIFY_SOCKET`` is a path, or a name in Linux's abstract namespace where it begins with ``@``.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
            sock.sendto(state.encode(), address)
    except OSError as error:
        log.warning("the service manager could not be told %s: %s", state, error)
        return False
    return True


def watchdog_interval(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Seconds between two signs of life: half of what systemd waits for (sd_watchdog_enabled(3)); None without one."""
    if environ.get("WATCHDOG_PID", str(pid or os.getpid())) != str(pid or os.getpid()):
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or int(microseconds) == 0:
        return None
    return int(microseconds) / 2_000_000


async def stay_alive(environ: Mapping[str, str] = os.environ) -> None:
    """Give signs of life for as long as the event loop turns. Ends at once where nobody waits for any."""
    interval = watchdog_interval(environ)
    while interval is not None:
        notify("WATCHDOG=1", environ)
        await asyncio.sleep(interval)
