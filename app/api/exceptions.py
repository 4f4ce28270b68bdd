"""Exceptions: other policies for a while, which end by themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct, field
from quart import Blueprint

from app import mac_address
from app.api.auth import require_owner
from app.api.auth.body import Code, Confirmation, PasswordText, RedactedStruct
from app.api.auth.confirmation import submit_confirmed
from app.api.auth.principal import principal
from app.api.context import snapshot
from app.api.device_body import settings_of
from app.api.devices import MacText
from app.api.operation import Success, operation
from app.errors import InvalidFieldError
from app.model import BlockedPolicy, DirectPolicy, PolicyException
from app.policies import planned
from app.policy_text import parse_policy, policy_text
from app.protocol.commands import ChangeException, EndException, StartException
from app.protocol.preferences import PolicyText
from app.protocol.status import Snapshot

blueprint = Blueprint("exceptions", __name__)

MAX_SECONDS = 30 * 86400
Seconds = Annotated[float, Meta(ge=1, le=MAX_SECONDS)]
Reason = Annotated[str, Meta(max_length=200)]
Number = Annotated[str, Meta(pattern=r"^[0-9]{1,9}\Z")]


class ExceptionBody(Struct, frozen=True):
    id: int
    device: str | None  # its MAC address; None = of the group
    group: str | None
    devices: tuple[str, ...]  # the MAC addresses of all that it is for now
    policy: str
    reason: str | None
    by: str  # who asked for it: "admin", "API key <name>", "the device itself", or "anybody" while there is no owner
    started: float  # Unix time
    until: float  # Unix time
    seconds_left: float
    kernel: bool  # it opens something, and the kernel itself closes that, with or without the network service


class ExceptionsBody(Struct, frozen=True):
    exceptions: tuple[ExceptionBody, ...]  # those that are open, the first to end first


class ExceptionAnswer(Struct, frozen=True):
    success: bool
    exception: ExceptionBody


class StartBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    """A device or a group, a policy, and ``for`` some seconds or ``until`` a Unix time, at most 30 days ahead."""

    policy: PolicyText
    device: MacText | None = None
    group: Annotated[str, Meta(max_length=64)] | None = None
    seconds: Seconds | None = field(default=None, name="for")
    until: float | None = None
    reason: Reason | None = None
    password: PasswordText | None = None  # the admin password, for ``direct``
    code: Code | None = None  # and this where there is a second factor


class ChangeBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    """``for`` some seconds from now, or ``until`` a Unix time."""

    seconds: Seconds | None = field(default=None, name="for")
    until: float | None = None
    password: PasswordText | None = None  # the admin password, where a device then leaves in the clear for longer
    code: Code | None = None  # and this where there is a second factor


def caller_name() -> str:
    """Who asks, for the list of exceptions."""
    found = principal()
    if found is None or found.kind == "open":
        return "anybody"
    return f"API key {found.name}" if found.kind == "key" else "admin"


def start_command(body: StartBody, by: str) -> StartException:
    """Raises InvalidFieldError."""
    mac = mac_address.parse_device(body.device, "device") if body.device is not None else None
    return StartException(parse_policy(body.policy), mac, body.group, body.seconds, body.until, body.reason, by)


def opens(command: StartException) -> bool:
    return isinstance(command.policy, DirectPolicy)


def exception_body(one: PolicyException, now: Snapshot) -> ExceptionBody:
    return exception_bodies([one], now)[0]


def exception_bodies(some: Iterable[PolicyException], now: Snapshot) -> tuple[ExceptionBody, ...]:
    moment = time.time()
    in_kernel = {e.slot for e in planned(settings_of(now), moment, now.exceptions).exceptions}
    return tuple(_body(one, now, moment, in_kernel=one.slot in in_kernel) for one in some)


def _body(one: PolicyException, now: Snapshot, moment: float, *, in_kernel: bool) -> ExceptionBody:
    macs = [one.mac] if one.mac is not None else [d.mac for d in now.devices if d.group == one.group]
    return ExceptionBody(
        id=one.id,
        device=one.mac,
        group=one.group,
        devices=tuple(sorted(macs)),
        policy=policy_text(one.policy),
        reason=one.reason,
        by=one.by,
        started=one.started,
        until=one.until,
        seconds_left=max(0.0, round(one.until - moment, 1)),
        kernel=in_kernel,
    )


@operation(blueprint, "GET", "/api/exceptions")
async def list_exceptions() -> ExceptionsBody:
    """What is open now, for whom, why, until when, and who asked for it."""
    now = await snapshot()
    found = sorted(now.exceptions, key=lambda e: e.until)
    return ExceptionsBody(exception_bodies(found, now))


@operation(blueprint, "POST", "/api/exceptions", needs_owner=False)
async def start_exception(body: StartBody) -> ExceptionAnswer:
    """Give a device or a group another policy for a while; its open connections are dropped, then and at the end.

    What it opens, the kernel closes at the end by itself, also where the network service does not run; a restart of
    the gateway ends it. It takes the place of the exception that the device or group has. ``direct`` lets out in the
    clear, so that the password is asked for again. Without a password a device can only be blocked.
    """
    command = start_command(body, caller_name())
    if not isinstance(command.policy, BlockedPolicy):
        require_owner()
    made = await submit_confirmed(command, body.password, body.code, needed=opens(command))
    return ExceptionAnswer(True, exception_body(made, await snapshot()))


@operation(blueprint, "PATCH", "/api/exceptions/<number>", errors=(404,))
async def change_exception(number: Number, body: ChangeBody) -> ExceptionAnswer:
    """Have an exception end later or sooner.

    To prolong one that is ``direct`` the password is asked for again, and to shorten one that keeps a device from it.
    """
    if (body.seconds is None) == (body.until is None):
        raise InvalidFieldError("for: say for how many seconds, or until when", field="for")
    now = await snapshot()
    one = next((e for e in now.exceptions if e.id == int(number)), None)
    command = ChangeException(int(number), body.seconds, body.until)
    until = body.until if body.until is not None else time.time() + (body.seconds or 0)
    longer = one is not None and isinstance(one.policy, DirectPolicy) and until > one.until
    made = await submit_confirmed(command, body.password, body.code, needed=longer)
    return ExceptionAnswer(True, exception_body(made, await snapshot()))


@operation(blueprint, "DELETE", "/api/exceptions/<number>", errors=(404,))
async def end_exception(number: Number, body: Confirmation | None) -> Success:
    """End an exception now; the device has its standing policy again.

    Where that lets it out in the clear, the password is asked for again.
    """
    given = body or Confirmation()
    done = await submit_confirmed(EndException(int(number)), given.password, given.code)
    return Success(True, done.message, done.warnings)
