"""The commands about single devices of the LAN."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import UNSET, UnsetType

from app.protocol.answers import Done
from app.protocol.command import Command


class ChangeDevice(Command[Done], frozen=True, tag="change_device"):
    """Name a device, put it in a group, or fix its address; what is ``UNSET`` stays, None removes.

    ``password`` is the owner's, where another group lets the device out directly.

    Raises InvalidFieldError (``mac``, ``name``, ``group``, ``address``), ConflictError (``address_taken``: by another
    device; ``no_dhcp``: another server gives out the addresses; ``too_many``), KernelError, or what checking the
    password raises. Then nothing has changed.
    """

    in_bulk = True

    mac: str
    name: str | UnsetType | None = UNSET
    group: str | UnsetType | None = UNSET
    address: IPv4Address | UnsetType | None = UNSET
    password: str | None = None

    def __repr__(self) -> str:
        return f"ChangeDevice({self.mac!r}, {self.name!r}, {self.group!r}, {self.address!r})"


class AdmitDevice(Command[Done], frozen=True, tag="admit_device"):
    """Let a device in that waits for its admission; one that never came may be admitted beforehand.

    ``password`` is the owner's, where its policy lets it out directly. Raises InvalidFieldError (``mac``),
    ConflictError (``too_many``), KernelError, or what checking the password raises.
    """

    in_bulk = True

    mac: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"AdmitDevice({self.mac!r})"


class ForgetDevice(Command[Done], frozen=True, tag="forget_device"):
    """Forget a device and all that was decided about it. If it is here, it comes back as a new one.

    ``password`` is the owner's, where a new device may leave directly, and this one may not. Raises InvalidFieldError
    (``mac``), NotFoundError, KernelError, or what checking the password raises.
    """

    in_bulk = True

    mac: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"ForgetDevice({self.mac!r})"
