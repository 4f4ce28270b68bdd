"""pyroute2's asynchronous netlink socket, typed ``Any`` because its annotations describe the synchronous calls."""

from __future__ import annotations

from typing import Any


def open_netlink() -> Any:
    """An ``AsyncIPRoute`` to be used with ``async with``. rtnetlink(7).

    What is asked often has messages of its own (:mod:`app.network.rtnetlink`): this costs 3 MB and milliseconds.
    """
    from pyroute2.iproute.linux import AsyncIPRoute  # noqa: PLC0415 - 3 MB

    return AsyncIPRoute()
