"""Transmission of network ports: packets sent, packets queued, the start and the restart of a port."""

from __future__ import annotations

import socket
from pathlib import Path

from app.network import rtnetlink, traffic_control

DEVICES = Path("/proc/thread-self/net/dev")  # proc_pid_net(5)
_SENT_COLUMN = 9  # columns behind the name and the colon: packets sent


def sent() -> dict[str, int]:
    """Packets sent so far, by port. Raises OSError."""
    found: dict[str, int] = {}
    for line in DEVICES.read_text().splitlines()[2:]:
        name, _, columns = line.partition(":")
        found[name.strip()] = int(columns.split()[_SENT_COLUMN])
    return found


async def queued(name: str) -> int:
    """Packets in the port's queues (tc(8)). Raises OSError."""
    return traffic_control.queued(socket.if_nametoindex(name))


async def start(name: str) -> None:
    """Take the port up. Raises OSError."""
    rtnetlink.set_link(socket.if_nametoindex(name), up=True)


async def restart(name: str) -> None:
    """Take the port down and up, which reinitializes its driver's queues. Raises OSError."""
    index = socket.if_nametoindex(name)
    rtnetlink.set_link(index, up=False)
    rtnetlink.set_link(index, up=True)
