"""Notifications to systemd: ready, watchdog keep-alives, stopping (sd_notify(3)).

The event loop sends the keep-alives: a loop that hangs sends none, and systemd restarts the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send ``state``, such as ``READY=1``, to the service manager; False where there is none, or on an error.

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
        log.warning("the service manager could not be notified of %s: %s", state, error)
        return False
    return True


def watchdog_interval(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Seconds between watchdog keep-alives: half of systemd's limit (sd_watchdog_enabled(3)); None = no watchdog."""
    if environ.get("WATCHDOG_PID", str(pid or os.getpid())) != str(pid or os.getpid()):
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or int(microseconds) == 0:
        return None
    return int(microseconds) / 2_000_000


async def stay_alive(environ: Mapping[str, str] = os.environ) -> None:
    """Send watchdog keep-alives for as long as the event loop runs. Returns at once where there is no watchdog."""
    interval = watchdog_interval(environ)
    while interval is not None:
        notify("WATCHDOG=1", environ)
        await asyncio.sleep(interval)
