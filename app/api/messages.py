"""The messages to clients of ``/ws``: the gateway's events in the shapes of the API, and the web service's own."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from app.api.devices import DeviceBody


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
    reason: Literal["policy", "lease", "lease_ended"]  # a lease: a new one, or with another address or name
    device: DeviceBody | None  # as it is now; None = gone
