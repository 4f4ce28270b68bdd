"""The history of a device: when it came and went, and what was decided about it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app import mac_address
from app.api.context import gateway, snapshot
from app.api.device_body import device_body
from app.api.devices import MacText
from app.api.history import Ident
from app.api.operation import operation
from app.errors import NotFoundError
from app.protocol.commands import GetDeviceHistory
from app.protocol.device_history import DeviceHistoryQuery, DeviceRecord

blueprint = Blueprint("device_history", __name__)


class DevicePageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query for a page, the newest first; ``before`` is the ``next`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Ident | None = None


class DeviceHistoryBody(Struct, frozen=True):
    history: tuple[DeviceRecord, ...]
    next: int | None  # give it as ``before`` for the next page; null = this is the last page


@operation(blueprint, "GET", "/api/devices/<mac>/history", errors=(404,))
async def device_history(mac: MacText, query: DevicePageQuery) -> DeviceHistoryBody:
    """List what happened to a device, and what was decided about it, the newest first.

    Fields that say nothing of a ``change`` are left out. That a device comes or goes is told once in ten minutes.
    """
    wanted = mac_address.parse_device(mac)
    page = await gateway().submit(GetDeviceHistory(DeviceHistoryQuery(wanted, query.limit, query.before)))
    if not page.records and device_body(await snapshot(), wanted) is None:
        raise NotFoundError("There is no such device", field="mac")
    return DeviceHistoryBody(page.records, page.next)
