"""The commands about single devices of the LAN."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import UNSET, UnsetType

from app.protocol.answers import Done
from app.protocol.command import Command


class ChangeDevice(Command[Done], frozen=True, tag="change_device"):
    """Name a device, put it in a group, or fix its address; what is ``UNSET`` stays, None removes.

    Raises InvalidFieldError (``mac``, ``name``, ``group``, ``address``), ConflictError (``address_taken``: by another
    device; ``no_dhcp``: another server gives out the addresses; ``too_many``), KernelError. Then nothing has changed.
    """

    in_bulk = True

    mac: str
    name: str | UnsetType | None = UNSET
    group: str | UnsetType | None = UNSET
    address: IPv4Address | UnsetType | None = UNSET


class AdmitDevice(Command[Done], frozen=True, tag="admit_device"):
    """Let a device in that waits for its admission; one that never came may be admitted beforehand.

    Raises InvalidFieldError (``mac``), ConflictError (``too_many``), KernelError.
    """

    in_bulk = True

    mac: str


class ForgetDevice(Command[Done], frozen=True, tag="forget_device"):
    """Forget a device and all that was decided about it. If it is here, it comes back as a new one.

    Raises InvalidFieldError (``mac``), NotFoundError, KernelError.
    """

    in_bulk = True

    mac: str
