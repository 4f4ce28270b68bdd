"""The exits: each is a way out with servers, resolvers and settings of its own."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.addresses import Address
from app.api.auth.body import Code, PasswordText, RedactedStruct
from app.api.auth.confirmation import submit_confirmed
from app.api.context import gateway, snapshot
from app.api.operation import Success, operation
from app.errors import InvalidFieldError, NotFoundError
from app.exit_users import users_of
from app.model import (
    MAX_USER_EXITS,
    BlockedPolicy,
    DirectPolicy,
    ExitSettings,
    Fallback,
    Never,
    Policy,
    ServerChange,
    ShortText,
    TunnelMtu,
    VpnPolicy,
)
from app.protocol.commands import ChangeExit, MakeExit, RemoveExit
from app.protocol.exit_commands import ExitChange, Label
from app.protocol.status import ExitStatus, Snapshot

blueprint = Blueprint("exits", __name__)

ExitName = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[a-z0-9][a-z0-9-]*$")]
PathName = Annotated[str, Meta(min_length=1, max_length=255)]
ThenText = Annotated[str, Meta(extra_json_schema={"pattern": r"^(blocked|default|direct|exit:[\s\S]+)$"})]


class ExitBody(ExitSettings, frozen=True, kw_only=True):
    """The settings of an exit, its status, and what uses it."""

    devices: tuple[str, ...] = ()  # MAC addresses of those whose own policy it is
    groups: tuple[str, ...] = ()  # the same of groups
    default_policy: bool = False  # devices without a policy of their own use it
    status: ExitStatus


class ExitsBody(Struct, frozen=True):
    exits: tuple[ExitBody, ...]
    most: int = MAX_USER_EXITS  # exits at once


class ExitAnswer(Struct, frozen=True, omit_defaults=True):
    success: bool
    exit: ExitBody
    warnings: tuple[str, ...] = ()


class NewExitBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: ExitName
    label: Label | None = None
    provider: ShortText | None = None  # None = the gateway's
    target: ShortText | None = None  # a host name, a city, a country, "fastest" or "random", the last two with a place
    fallbacks: Annotated[tuple[Fallback, ...], Meta(max_length=10)] = ()
    dns: Annotated[tuple[Address, ...], Meta(max_length=4)] = ()
    mtu: TunnelMtu | None = None
    auto_connect: bool = True
    server_changes: Annotated[tuple[ServerChange, ...], Meta(max_length=20)] = ()
    never: Never = Never()

    def settings(self) -> ExitSettings:
        return ExitSettings(**{field: getattr(self, field) for field in self.__struct_fields__})


class RemoveExitBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    then: ThenText | None = None  # what uses the exit: "blocked", "default" (the default exit), "exit:NAME", "direct"
    password: PasswordText | None = None  # the admin password, for ``direct``
    code: Code | None = None  # and this where there is a second factor


def parse_then(text: str | None) -> Policy | None:
    """The policy that ``then`` names. Raises InvalidFieldError."""
    if text is None:
        return None
    match text.partition(":"):
        case "blocked", "", "":
            return BlockedPolicy()
        case "default", "", "":
            return VpnPolicy()
        case "direct", "", "":
            return DirectPolicy()
        case "exit", ":", name if name:
            return VpnPolicy(name)
        case _:
            raise InvalidFieldError("then: one of blocked, default, direct, exit:<name>", field="then")


def exit_bodies(now: Snapshot) -> tuple[ExitBody, ...]:
    """All exits of ``now``, by number."""
    settings = {one.name: one for one in now.exit_settings}
    return tuple(_body(settings.get(status.name) or ExitSettings(status.name), status, now) for status in now.exits)


def _body(settings: ExitSettings, status: ExitStatus, now: Snapshot) -> ExitBody:
    users = users_of(now, settings.name)
    return ExitBody(
        **{field: getattr(settings, field) for field in ExitSettings.__struct_fields__},
        devices=users.devices,
        groups=users.groups,
        default_policy=users.default_policy,
        status=status,
    )


async def _exit(name: str) -> ExitBody:
    found = next((one for one in exit_bodies(await snapshot()) if one.name == name), None)
    if found is None:
        raise NotFoundError(f"there is no exit {name!r}", field="name")
    return found


@operation(blueprint, "GET", "/api/exits")
async def list_exits() -> ExitsBody:
    """List the exits: settings, status, and what uses each."""
    return ExitsBody(exit_bodies(await snapshot()))


@operation(blueprint, "GET", "/api/exits/<name>")
async def get_exit(name: PathName) -> ExitBody:
    """Get one exit."""
    return await _exit(name)


@operation(blueprint, "POST", "/api/exits", errors=(404, 409))
async def make_exit(body: NewExitBody) -> ExitAnswer:
    """Make an exit; the others are not touched.

    With a ``target``, and unless ``auto_connect`` is false, it begins to connect at once.
    """
    done = await gateway().submit(MakeExit(body.settings()))
    return ExitAnswer(True, await _exit(body.name), done.warnings)


@operation(blueprint, "PATCH", "/api/exits/<name>", errors=(409,))
async def change_exit(name: PathName, body: ExitChange) -> ExitAnswer:
    """Change the named settings of an exit and leave the rest; ``name`` renames it.

    A tunnel that is up stays, unless ``never`` now excludes its server; resolvers and MTU take effect at once.
    """
    done = await gateway().submit(ChangeExit(name, body))
    return ExitAnswer(True, await _exit(body.name if isinstance(body.name, str) else name), done.warnings)


@operation(blueprint, "DELETE", "/api/exits/<name>", errors=(409,))
async def remove_exit(name: PathName, body: RemoveExitBody | None) -> Success:
    """Remove an exit; the others are not touched.

    Where devices use it, ``then`` has to say what they do next (``exit_in_use``): ``blocked``, ``default`` (the default
    exit), ``exit:NAME``, or with the admin password ``direct``.
    """
    command = RemoveExit(name, parse_then(body.then if body else None))
    given = body or RemoveExitBody()
    needed = isinstance(command.then, DirectPolicy)
    result = await submit_confirmed(command, given.password, given.code, needed=needed)
    return Success(True, result.message, result.warnings)
