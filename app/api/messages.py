"""The messages to clients of ``/ws``: the gateway's events in the shapes of the API, and the web service's own."""

from __future__ import annotations

from typing import get_args

from msgspec import Struct

from app.api.device_body import DeviceBody
from app.api.errors import ErrorBody
from app.api.status import StatusBody
from app.protocol.events import DeviceChanged, DeviceReason, GatewayEvent, StatusChanged


class Message(Struct, frozen=True):
    """One message, as JSON."""

    type: str
    payload: object
    seq: int | None
    time: float  # Unix time


class Resume(Struct, frozen=True):
    """The first message to a client that named the last event it has seen.

    Where ``complete``, the ``events`` missed ones follow; otherwise they are no longer kept, and a snapshot follows.
    """

    complete: bool
    events: int


class DeviceChange(Struct, frozen=True):
    mac: str
    reason: DeviceReason
    device: DeviceBody | None  # as it is now; None = gone


# Events that clients receive as the state that they lead to.
_REPLACED: dict[type[Struct], type[Struct]] = {StatusChanged: StatusBody, DeviceChanged: DeviceChange}
# Messages that the web service adds; None = the payload is null.
_ADDED: dict[str, type[Struct] | None] = {"unavailable": ErrorBody, "resume": Resume, "heartbeat": None}


def payload_types() -> dict[str, type[Struct] | None]:
    """The type of the payload by the message's ``type``; None = null. The page's types are made from it."""
    events: tuple[type[Struct], ...] = get_args(GatewayEvent)
    return {str(event.__struct_config__.tag): _REPLACED.get(event, event) for event in events} | _ADDED
