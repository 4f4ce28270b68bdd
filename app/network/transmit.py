"""Transmission of network ports: packets sent, packets queued, the start and the restart of a port."""

from __future__ import annotations

import socket
from pathlib import Path

from app.network.netlink import open_netlink

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
    """Packets in the port's queues (tc(8)). Raises NetlinkError, OSError."""
    most = 0
    async with open_netlink() as ip:
        async for message in await ip.get_qdiscs(index=socket.if_nametoindex(name)):
            statistics = dict(message["attrs"]).get("TCA_STATS2")
            if statistics is not None:
                queue = statistics.get_attr("TCA_STATS_QUEUE")
                most = max(most, queue["qlen"] if queue else 0)
    return most


async def start(name: str) -> None:
    """Take the port up. Raises NetlinkError, OSError."""
    async with open_netlink() as ip:
        await ip.link("set", index=socket.if_nametoindex(name), state="up")


async def restart(name: str) -> None:
    """Take the port down and up, which reinitializes its driver's queues. Raises NetlinkError, OSError."""
    async with open_netlink() as ip:
        index = socket.if_nametoindex(name)
        await ip.link("set", index=index, state="down")
        await ip.link("set", index=index, state="up")
