"""pyroute2's asynchronous netlink socket, typed ``Any`` because its annotations describe the synchronous calls."""

from __future__ import annotations

from typing import Any

from pyroute2.iproute.linux import AsyncIPRoute


def open_netlink() -> Any:
    """An ``AsyncIPRoute`` to be used with ``async with``. rtnetlink(7)."""
    return AsyncIPRoute()
