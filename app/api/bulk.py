"""Many operations in one request, and many .conf files in one archive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Blueprint

from app import mac_address
from app.api import exceptions, groups
from app.api.auth import require, require_owner
from app.api.auth.body import Code, PasswordText, RedactedStruct
from app.api.auth.confirmation import confirm_password, submit_as_owner, submit_unconfirmed
from app.api.connection import Name, without_target
from app.api.context import gateway, snapshot
from app.api.custom_servers import CustomServerBody, Text
from app.api.devices import DeviceChange, MacText, OwnPolicyText, lets_out, loosens, parse_own_policy
from app.api.exceptions import Reason, Seconds, caller_name
from app.api.exits import NewExitBody, ThenText, parse_then
from app.api.groups import GroupName, Schedule
from app.api.operation import operation
from app.api.self_service import Exits
from app.api.self_service import Seconds as PauseSeconds
from app.errors import GatewayError, InvalidFieldError, missing_password
from app.filenames import server_name
from app.model import DEFAULT_EXIT, BlockedPolicy, DirectPolicy, SelfService
from app.policy_text import parse_policy
from app.protocol.answers import ListOffer, Outcome
from app.protocol.commands import (
    AddCustomServer,
    AdmitDevice,
    Bulk,
    BulkCommand,
    ChangeException,
    ChangeExit,
    ChangePreferences,
    Connect,
    Disconnect,
    EndException,
    ForgetDevice,
    ImportConfig,
    MakeExit,
    RemoveCustomServer,
    RemoveExit,
    RemoveGroup,
    SelectProvider,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetFavourite,
    SetGroup,
    SetSelfService,
    StartException,
)
from app.protocol.exit_commands import ExitChange
from app.protocol.preferences import PolicyText, PreferencesChange
from app.self_service import may_pause

if TYPE_CHECKING:
    from app import confzip

blueprint = Blueprint("bulk", __name__)

MAX_OPERATIONS = 100
Mode = Literal["atomic", "each"]


class ConnectOp(Struct, frozen=True, forbid_unknown_fields=True, tag="connect", tag_field="op"):
    server: Name | UnsetType = UNSET  # left out: the exit's target
    exit: Name = DEFAULT_EXIT
    provider: Name | None = None

    def command(self) -> BulkCommand:
        return Connect(None if self.server is UNSET else self.server, self.exit, self.provider)


class DisconnectOp(Struct, frozen=True, forbid_unknown_fields=True, tag="disconnect", tag_field="op"):
    exit: Name = DEFAULT_EXIT

    def command(self) -> BulkCommand:
        return Disconnect(self.exit)


class SelectProviderOp(Struct, frozen=True, forbid_unknown_fields=True, tag="select_provider", tag_field="op"):
    provider: Name

    def command(self) -> BulkCommand:
        return SelectProvider(self.provider)


class AddCustomServerOp(CustomServerBody, frozen=True, tag="add_custom_server", tag_field="op"):
    def command(self) -> BulkCommand:
        return AddCustomServer(**msgspec.structs.asdict(self))


class RemoveServerOp(Struct, frozen=True, forbid_unknown_fields=True, tag="remove_custom_server", tag_field="op"):
    name: Text

    def command(self) -> BulkCommand:
        return RemoveCustomServer(self.name)


class ImportConfigOp(Struct, frozen=True, forbid_unknown_fields=True, tag="import_config", tag_field="op"):
    name: Annotated[str, Meta(max_length=255)]
    config: str

    def __repr__(self) -> str:
        return f"ImportConfigOp({self.name!r})"  # never the keys

    def command(self) -> BulkCommand:
        return ImportConfig(self.name, self.config)


class SetDevicePolicyOp(Struct, frozen=True, forbid_unknown_fields=True, tag="set_device_policy", tag_field="op"):
    mac: MacText
    policy: OwnPolicyText
    name: Annotated[str, Meta(max_length=64)] | None = None

    def command(self) -> BulkCommand:
        return SetDevicePolicy(mac_address.parse_device(self.mac), parse_own_policy(self.policy), self.name)


class ChangeDeviceOp(DeviceChange, frozen=True, kw_only=True, tag="change_device", tag_field="op"):
    mac: MacText

    def command(self) -> BulkCommand:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().command(mac_address.parse_device(self.mac))


class AdmitDeviceOp(Struct, frozen=True, forbid_unknown_fields=True, tag="admit_device", tag_field="op"):
    mac: MacText

    def command(self) -> BulkCommand:
        return AdmitDevice(mac_address.parse_device(self.mac))


class ForgetDeviceOp(Struct, frozen=True, forbid_unknown_fields=True, tag="forget_device", tag_field="op"):
    mac: MacText

    def command(self) -> BulkCommand:
        return ForgetDevice(mac_address.parse_device(self.mac))


class SetSelfServiceOp(Struct, frozen=True, forbid_unknown_fields=True, tag="set_self_service", tag_field="op"):
    allow: Literal["off", "pause", "exit", "all"]
    mac: MacText | None = None  # null = all devices without a rule of their own
    exits: Exits | None = None
    longest_pause: PauseSeconds = 1800

    def command(self) -> BulkCommand:
        mac = None if self.mac is None else mac_address.parse_device(self.mac)
        return SetSelfService(mac, SelfService(self.allow, self.exits, self.longest_pause))


class SetFavouriteOp(Struct, frozen=True, forbid_unknown_fields=True, tag="set_favourite", tag_field="op"):
    provider: Name
    server: Name
    favourite: bool = True

    def command(self) -> BulkCommand:
        return SetFavourite(self.provider, self.server, self.favourite)


class ChangeSettingsOp(Struct, frozen=True, forbid_unknown_fields=True, tag="change_settings", tag_field="op"):
    settings: PreferencesChange  # as of ``PATCH /api/settings``

    def command(self) -> BulkCommand:
        return ChangePreferences(self.settings)


class MakeExitOp(NewExitBody, frozen=True, tag="make_exit", tag_field="op"):
    def command(self) -> BulkCommand:
        return MakeExit(self.settings())


class ChangeExitOp(Struct, frozen=True, forbid_unknown_fields=True, tag="change_exit", tag_field="op"):
    name: Name
    change: ExitChange  # as of ``PATCH /api/exits/{name}``

    def command(self) -> BulkCommand:
        return ChangeExit(self.name, self.change)


class RemoveExitOp(Struct, frozen=True, forbid_unknown_fields=True, tag="remove_exit", tag_field="op"):
    name: Name
    then: ThenText | None = None

    def command(self) -> BulkCommand:
        return RemoveExit(self.name, parse_then(self.then))


class SetGroupOp(Struct, frozen=True, forbid_unknown_fields=True, tag="set_group", tag_field="op"):
    name: GroupName
    policy: PolicyText | None = None
    schedule: Schedule = ()

    def command(self) -> BulkCommand:
        policy = parse_policy(self.policy) if self.policy is not None else None
        return SetGroup(self.name, policy, tuple(entry.entry() for entry in self.schedule))


class RemoveGroupOp(Struct, frozen=True, forbid_unknown_fields=True, tag="remove_group", tag_field="op"):
    name: GroupName

    def command(self) -> BulkCommand:
        return RemoveGroup(self.name)


class SetDeviceScheduleOp(Struct, frozen=True, forbid_unknown_fields=True, tag="set_device_schedule", tag_field="op"):
    mac: MacText
    schedule: Schedule

    def command(self) -> BulkCommand:
        return SetDeviceSchedule(mac_address.parse_device(self.mac), tuple(entry.entry() for entry in self.schedule))


class StartExceptionOp(Struct, frozen=True, forbid_unknown_fields=True, tag="start_exception", tag_field="op"):
    policy: PolicyText
    device: MacText | None = None
    group: Annotated[str, Meta(max_length=64)] | None = None
    seconds: Seconds | None = msgspec.field(default=None, name="for")
    until: float | None = None
    reason: Reason | None = None

    def command(self) -> BulkCommand:
        mac = mac_address.parse_device(self.device, "device") if self.device is not None else None
        policy = parse_policy(self.policy)
        return StartException(policy, mac, self.group, self.seconds, self.until, self.reason, caller_name())


class ChangeExceptionOp(Struct, frozen=True, forbid_unknown_fields=True, tag="change_exception", tag_field="op"):
    id: Annotated[int, Meta(ge=1)]
    seconds: Seconds | None = msgspec.field(default=None, name="for")
    until: float | None = None

    def command(self) -> BulkCommand:
        return ChangeException(self.id, self.seconds, self.until)


class EndExceptionOp(Struct, frozen=True, forbid_unknown_fields=True, tag="end_exception", tag_field="op"):
    id: Annotated[int, Meta(ge=1)]

    def command(self) -> BulkCommand:
        return EndException(self.id)


Op = (
    ConnectOp
    | DisconnectOp
    | SelectProviderOp
    | AddCustomServerOp
    | RemoveServerOp
    | ImportConfigOp
    | SetDevicePolicyOp
    | ChangeDeviceOp
    | AdmitDeviceOp
    | ForgetDeviceOp
    | SetSelfServiceOp
    | SetGroupOp
    | RemoveGroupOp
    | SetDeviceScheduleOp
    | StartExceptionOp
    | ChangeExceptionOp
    | EndExceptionOp
    | SetFavouriteOp
    | ChangeSettingsOp
    | MakeExitOp
    | ChangeExitOp
    | RemoveExitOp
)
FOR_CONNECT = (ConnectOp, DisconnectOp, SetFavouriteOp)  # the scope that their own endpoints ask for


class BulkBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    operations: Annotated[tuple[Op, ...], Meta(min_length=1, max_length=MAX_OPERATIONS)]
    mode: Mode = "atomic"
    password: PasswordText | None = None  # the admin password, where an operation lets a device out directly
    code: Code | None = None  # and this where there is a second factor


class OperationResult(Struct, frozen=True):
    """The outcome of one operation; ``status`` is that of the operation's own endpoint."""

    success: bool
    status: int
    message: str | None = None
    warnings: tuple[str, ...] = ()
    public_key: str | None = None
    server: str | None = None
    opens: ListOffer | None = None
    error: str | None = None
    code: str | None = None
    field: str | None = None


class BulkAnswer(Struct, frozen=True):
    success: bool  # all of them
    results: tuple[OperationResult, ...]  # in the order of the operations


class ArchiveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode = "each"
    dry_run: bool = False  # only check: the same answer, and nothing is stored


class FileResult(Struct, frozen=True):
    file: str
    success: bool
    name: str | None = None  # of the server
    warnings: tuple[str, ...] = ()
    opens: ListOffer | None = None
    error: str | None = None
    code: str | None = None
    field: str | None = None


class ArchiveAnswer(Struct, frozen=True):
    success: bool  # all of them
    results: tuple[FileResult, ...]  # in the order of the archive


@operation(blueprint, "POST", "/api/bulk", scope="connect", limit="connection", needs_owner=False)
async def bulk(body: BulkBody) -> BulkAnswer:
    """Up to 100 operations in their order: all or none (``atomic``), or each on its own (``each``).

    With ``atomic``, the first failure is the error of the whole request, its ``field`` begins with
    ``operations[N]``, and nothing has changed. Operations that would need the scope ``admin``, or the password again,
    need it here as well; without a password those that would be refused alone refuse the whole request.
    """
    if any(not isinstance(op, FOR_CONNECT) for op in body.operations):
        require("admin")
    await _check_targets(body.operations)
    commands = tuple(op.command() for op in body.operations)
    if any(_needs_owner(command) for command in commands):
        require_owner()
    outcomes = await _submit(commands, body)
    results = tuple(_result(outcome) for outcome in outcomes)
    return BulkAnswer(all(r.success for r in results), results)


async def _submit(commands: tuple[BulkCommand, ...], body: BulkBody) -> tuple[Outcome, ...]:
    atomic = body.mode == "atomic"
    if body.password is not None or any(map(_lets_out, commands)):
        password = await confirm_password(body.password, body.code)
        commands = tuple(_with_password(command, password) for command in commands)
        return await submit_as_owner(Bulk(commands, atomic), password)
    try:
        return await submit_unconfirmed(Bulk(commands, atomic))
    except GatewayError as error:
        if error.code == "missing_field" and (error.field or "").endswith(".password"):
            raise missing_password() from None  # one is for all operations
        raise


@operation(blueprint, "POST", "/api/import/bulk", accepts="application/zip", limit="connection", needs_owner=False)
async def import_archive(body: bytes, query: ArchiveQuery) -> ArchiveAnswer:
    """Import a zip of .conf files, named like the files; each on its own (``each``) or all or none (``atomic``).

    ``dry_run`` only checks the files, and answers their warnings.

    Where there is no room for all of its servers, none is imported in either mode (``too_many``).
    """
    from app import confzip  # noqa: PLC0415 - a megabyte that most gateways never need

    entries = await asyncio.to_thread(confzip.read, body)
    atomic = query.mode == "atomic"
    bad = next((e for e in entries if e.problem is not None), None)
    if atomic and bad is not None:
        raise InvalidFieldError(f"{bad.file}: {bad.problem}; nothing was imported", field="file")
    files = [e for e in entries if e.problem is None]
    commands = tuple(ImportConfig(e.name, e.config, from_file=True, dry_run=query.dry_run) for e in files)
    try:
        outcomes = iter(await gateway().submit(Bulk(commands, atomic)))
    except GatewayError as error:
        raise confzip.with_file_name(error, files) from None
    results = tuple(
        FileResult(e.file, False, error=e.problem, code="not_a_config")
        if e.problem is not None
        else _file(e, next(outcomes))
        for e in entries
    )
    return ArchiveAnswer(all(r.success for r in results), results)


async def _check_targets(operations: tuple[Op, ...]) -> None:
    """Raises InvalidFieldError where an operation names no server and its exit has no target of its own.

    Of an unknown exit netd tells.
    """
    if not any(isinstance(op, ConnectOp) and op.server is UNSET for op in operations):
        return
    unable = without_target(await snapshot())
    for number, op in enumerate(operations):
        if isinstance(op, MakeExitOp | ChangeExitOp):  # netd judges what they make of it
            unable -= {op.name} if isinstance(op, MakeExitOp) else {op.name, str(op.change.name)}
        if isinstance(op, ConnectOp) and op.server is UNSET and op.exit in unable:
            field = f"operations[{number}].server"
            raise InvalidFieldError(f"{field} is missing", field=field, code="missing_field")


def _needs_owner(command: BulkCommand) -> bool:
    """Whether the operation would be refused without a password: any that is neither of the reference nor tightens."""
    match command:
        case Connect() | Disconnect() | SelectProvider() | AddCustomServer() | RemoveCustomServer() | ImportConfig():
            return False
        case SetDevicePolicy():
            return loosens(command)
        case StartException():
            return not isinstance(command.policy, BlockedPolicy)
        case _:
            return True


def _lets_out(command: BulkCommand) -> bool:
    """Whether the operation lets devices out in the clear, for all that the web process knows."""
    match command:
        case SetDevicePolicy():
            return lets_out(command)
        case RemoveExit(then=then):
            return isinstance(then, DirectPolicy)
        case SetGroup() | SetDeviceSchedule():
            return groups.opens(command)
        case StartException():
            return exceptions.opens(command)
        case SetSelfService(service=service):
            return service is not None and may_pause(service)
        case ChangePreferences(change=change):
            return change.default_policy == "direct"
        case _:
            return False


def _with_password(command: BulkCommand, password: str) -> BulkCommand:
    """``command`` with the password, if it takes one: whether it is needed netd knows."""
    takes = "password" in command.__struct_fields__
    return msgspec.structs.replace(command, password=password) if takes else command


def _result(outcome: Outcome) -> OperationResult:
    done = outcome.done
    if done is None:
        return OperationResult(False, outcome.status, error=outcome.message, code=outcome.code, field=outcome.field)
    return OperationResult(True, outcome.status, done.message, done.warnings, done.public_key, done.server, done.opens)


def _file(entry: confzip.Entry, outcome: Outcome) -> FileResult:
    if outcome.done is None:
        return FileResult(
            entry.file, False, server_name(entry.name), error=outcome.message, code=outcome.code, field=outcome.field
        )
    return FileResult(entry.file, True, outcome.done.server, outcome.done.warnings, outcome.done.opens)
