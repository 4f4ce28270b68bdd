"""What a network port has sent and what waits in its queues, and how it is taken down and up."""

from __future__ import annotations

from pathlib import Path

from app.network.netlink import open_netlink

SYS = Path("/sys/class/net")


def sent(name: str) -> int:
    """Packets so far. Raises OSError where there is no such port."""
    return int((SYS / name / "statistics" / "tx_packets").read_text())


async def waiting(name: str) -> int:
    """Packets in the port's queues (tc(8)). Raises NetlinkError, OSError."""
    most = 0
    async with open_netlink() as ip:
        async for message in await ip.get_qdiscs(index=_index(name)):
            statistics = dict(message["attrs"]).get("TCA_STATS2")
            if statistics is not None:
                queue = statistics.get_attr("TCA_STATS_QUEUE")
                most = max(most, queue["qlen"] if queue else 0)
    return most


async def restart(name: str) -> None:
    """Take the port down and up, which sets up its driver's queues anew. Raises NetlinkError, OSError."""
    async with open_netlink() as ip:
        index = _index(name)
        await ip.link("set", index=index, state="down")
        await ip.link("set", index=index, state="up")


def _index(name: str) -> int:
    return int((SYS / name / "ifindex").read_text())
