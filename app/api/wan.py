"""The network ports, and which one of them is the WAN."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway, snapshot
from app.api.operation import operation
from app.model import LinkProblem, NetworkPort
from app.protocol.commands import ChooseWan

blueprint = Blueprint("wan", __name__)


class WanBody(Struct, frozen=True):
    port: str | None  # as it was named; null = detected from what is plugged in
    fixed_by: str | None  # the key of gateway.toml that names it: then only that file changes it
    interface: str | None  # the WAN now; of a VLAN or PPPoE it is the one on the port
    problem: LinkProblem | None  # the reason why there is none
    ports: tuple[NetworkPort, ...]


class WanChange(Struct, frozen=True, forbid_unknown_fields=True):
    port: Annotated[str, Meta(min_length=1, max_length=64)] | None  # its name, MAC address or place; null = automatic


@operation(blueprint, "GET", "/api/wan")
async def get_wan() -> WanBody:
    """Get the network ports, and which one is the WAN."""
    now = await snapshot()
    choice = now.wan_choice
    return WanBody(
        port=choice.port,
        fixed_by=choice.fixed_by,
        interface=now.wan.name if now.wan else None,
        problem=now.wan_problem,
        ports=now.ports,
    )


@operation(blueprint, "PUT", "/api/wan")
async def choose_wan(body: WanChange) -> WanBody:
    """Make a port the WAN, at once and from then on; null goes back to automatic detection.

    The port is named as in ``gateway.toml``: ``wan``, ``00:e0:4c:68:01:22``, ``usb-1.2@1f00200000.usb`` or
    ``usb-modem``. A port that this file names cannot be changed here (409, ``wan_fixed``).
    """
    await gateway().submit(ChooseWan(body.port))
    return await get_wan()
