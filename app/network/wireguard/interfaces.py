"""The managed interfaces as links: the part that both WireGuard implementations share."""

from __future__ import annotations

import errno
import re
import socket

from pyroute2.netlink.exceptions import NetlinkError

from app.errors import KernelError
from app.network import rtnetlink
from app.network.wireguard.types import INTERFACE_NAME


class NamedInterfaces:
    """The half of a backend that only removes and lists links."""

    async def remove(self, name: str) -> None:
        index = {there: number for number, there in socket.if_nameindex()}.get(name)
        if index is None:
            return
        try:
            rtnetlink.delete_link(index)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise kernel_error(f"the kernel cannot remove {name}", error) from None

    async def names(self) -> set[str]:
        return {name for _, name in socket.if_nameindex() if INTERFACE_NAME.fullmatch(name)}


def kernel_error(what: str, error: NetlinkError | OSError) -> KernelError:
    """``what`` with the kernel's reason, in one line."""
    reason = re.sub(r"\s+", " ", str(error.args[1] if len(error.args) > 1 else error))
    return KernelError(f"{what}: {reason}")
