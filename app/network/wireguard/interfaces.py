"""The managed interfaces as links: the part that both WireGuard implementations share."""

from __future__ import annotations

import errno
import re

from pyroute2.netlink.exceptions import NetlinkError

from app.errors import KernelError
from app.network.links import read_links
from app.network.netlink import open_netlink
from app.network.wireguard.types import INTERFACE_NAME


class NamedInterfaces:
    """The half of a backend that only removes and lists links."""

    async def remove(self, name: str) -> None:
        async with open_netlink() as ip:
            for index in await ip.link_lookup(ifname=name):
                try:
                    await ip.link("del", index=index)
                except NetlinkError as error:
                    if error.code != errno.ENODEV:
                        raise kernel_error(f"the kernel cannot remove {name}", error) from None

    async def names(self) -> set[str]:
        async with open_netlink() as ip:
            return {name for name in await read_links(ip) if INTERFACE_NAME.fullmatch(name)}


def kernel_error(what: str, error: NetlinkError) -> KernelError:
    """``what`` with the kernel's reason, in one line."""
    reason = re.sub(r"\s+", " ", str(error.args[1] if len(error.args) > 1 else error))
    return KernelError(f"{what}: {reason}")
