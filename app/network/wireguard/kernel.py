"""The kernel's WireGuard, over generic netlink with pyroute2's messages."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any, Literal

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic.wireguard import AsyncWireGuard, wgmsg

from app.addresses import Address
from app.network import rtnetlink
from app.network.links import read_links
from app.network.wireguard.interfaces import NamedInterfaces, kernel_error
from app.network.wireguard.kernel_messages import configuration, device_query, endpoint_change, parse
from app.network.wireguard.types import DeviceConfig, DeviceStats

KIND = "wireguard"  # of the link

_PROBE = "wgprobe"  # not a name of an exit's interface, so the reconciler leaves it alone for as long as it exists


async def kernel_has_wireguard() -> bool:
    """Whether the kernel can make a WireGuard link, by making one (this also loads the module)."""
    try:
        rtnetlink.add_link(_PROBE, KIND)
    except OSError as error:
        if error.errno != errno.EEXIST:  # left by a netd that was killed here
            return False
    with contextlib.suppress(OSError):
        rtnetlink.delete_link(socket.if_nametoindex(_PROBE))
    return True


class KernelBackend(NamedInterfaces):
    kind: Literal["kernel", "userspace"] = "kernel"

    async def create(self, name: str) -> None:
        try:
            link = read_links().get(name)
            if link is not None:
                if link.kind == KIND:
                    return
                rtnetlink.delete_link(link.index)  # a managed name but no tunnel: packets could go anywhere
            rtnetlink.add_link(name, KIND)
        except OSError as error:
            raise kernel_error(f"the kernel cannot create {name}", error) from None

    async def configure(self, name: str, device: DeviceConfig) -> None:
        await self._send(name, configuration(name, device))

    async def set_endpoint(self, name: str, public_key: str, address: Address, port: int) -> None:
        await self._send(name, iter((endpoint_change(name, public_key, (address, port)),)))

    async def stats(self, name: str) -> DeviceStats | None:
        try:
            messages = await _request(device_query(name), NLM_F_DUMP)
        except NetlinkError as error:
            if error.code in {errno.ENODEV, errno.EOPNOTSUPP}:  # gone, or not a tunnel any more
                return None
            raise kernel_error(f"the kernel cannot read {name}", error) from None
        return parse(messages) if messages else None

    async def _send(self, name: str, messages: Iterator[wgmsg]) -> None:
        try:
            for message in messages:
                await _request(message, NLM_F_ACK)
        except NetlinkError as error:
            raise kernel_error(f"the kernel refused the configuration of {name}", error) from None


async def _request(message: wgmsg, flags: int) -> list[Any]:
    socket_: Any = AsyncWireGuard()
    async with socket_ as wg:
        await wg.setup_endpoint()  # learns the family's number, which the first request needs
        answers = await wg.nlm_request(message, msg_type=wg.prid, msg_flags=NLM_F_REQUEST | flags)
        return [answer async for answer in answers]
