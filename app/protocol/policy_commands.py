"""The commands about groups, schedules and exceptions."""

from __future__ import annotations

from app.model import Policy, PolicyException, ScheduleEntry
from app.protocol.answers import Done
from app.protocol.command import Command


class SetGroup(Command[Done], frozen=True, tag="set_group"):
    """Give a group of devices a policy and a schedule; it is made where there is none of this name.

    ``password`` is the owner's, where that lets devices out directly. Raises InvalidFieldError, NotFoundError (no such
    exit), ConflictError (``too_many``), KernelError, or what checking the password raises.
    """

    in_bulk = True

    name: str
    policy: Policy | None = None
    schedule: tuple[ScheduleEntry, ...] = ()
    password: str | None = None

    def __repr__(self) -> str:
        return f"SetGroup({self.name!r}, {self.policy!r}, {self.schedule!r})"


class RemoveGroup(Command[Done], frozen=True, tag="remove_group"):
    """Remove a group; its devices stay, and its exception ends.

    ``password`` is the owner's, where a device may then leave directly. Raises NotFoundError, KernelError, or what
    checking the password raises.
    """

    in_bulk = True

    name: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"RemoveGroup({self.name!r})"


class SetDeviceSchedule(Command[Done], frozen=True, tag="set_device_schedule"):
    """Give a device a schedule of its own; without entries it has none. Raises as :class:`SetGroup`."""

    in_bulk = True

    mac: str
    schedule: tuple[ScheduleEntry, ...] = ()
    password: str | None = None

    def __repr__(self) -> str:
        return f"SetDeviceSchedule({self.mac!r}, {self.schedule!r})"


class StartException(Command[PolicyException], frozen=True, tag="start_exception"):
    """Give a device (``mac``) or a group another policy for a while: ``seconds``, or ``until`` a Unix time.

    It takes the place of the one that the device or group has. ``by`` says who asked; ``password`` is the owner's, for
    ``direct``. Raises InvalidFieldError, NotFoundError (no such exit or group), ConflictError (``too_many``),
    KernelError, or what checking the password raises.
    """

    in_bulk = True

    policy: Policy
    mac: str | None = None
    group: str | None = None
    seconds: float | None = None
    until: float | None = None
    reason: str | None = None
    by: str = ""
    password: str | None = None

    def __repr__(self) -> str:
        return f"StartException({self.mac or self.group!r}, {self.policy!r}, {self.seconds or self.until!r})"


class ChangeException(Command[PolicyException], frozen=True, tag="change_exception"):
    """Have an exception end ``seconds`` from now, or at the Unix time ``until``.

    ``password`` is the owner's, where a device then leaves directly for longer. Raises NotFoundError, and as
    :class:`StartException`.
    """

    in_bulk = True

    id: int
    seconds: float | None = None
    until: float | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"ChangeException({self.id}, {self.seconds or self.until!r})"


class EndException(Command[Done], frozen=True, tag="end_exception"):
    """End an exception now.

    ``password`` is the owner's, where a device may then leave directly. Raises NotFoundError, KernelError, or what
    checking the password raises.
    """

    in_bulk = True

    id: int
    password: str | None = None

    def __repr__(self) -> str:
        return f"EndException({self.id})"
