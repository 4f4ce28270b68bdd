"""The commands: a closed set, each with the type of its answer; netd acts on commands alone.

Keys cross the process boundary only in the answer to GenerateKeypair and in commands that hold what people enter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from app.protocol.account_commands import (
    ConfigureProvider,
    DescribeProvider,
    GetAccount,
    ListProviderDevices,
    RefreshServers,
    RemoveProviderDevice,
    RotateKey,
    SignIn,
    SignOut,
    UseFileKey,
)
from app.protocol.answers import Outcome
from app.protocol.command import Command, Handler, HandlerEntry
from app.protocol.device_commands import AdmitDevice, ChangeDevice, ForgetDevice
from app.protocol.exit_commands import ChangeExit, MakeExit, RemoveExit
from app.protocol.explanation_commands import (
    ChangeOwnDevice,
    Explain,
    GetOwnDevice,
    GetSelfService,
    GetWhy,
    SetSelfService,
)
from app.protocol.policy_commands import (
    ChangeException,
    EndException,
    RemoveGroup,
    SetDeviceSchedule,
    SetGroup,
    StartException,
)
from app.protocol.proof_commands import GetCanary, GetProof, OpenExits, StartProof
from app.protocol.report_commands import (
    ExportHistory,
    GetCounters,
    GetDeviceHistory,
    GetHistory,
    GetLogs,
    GetTraffic,
    GetTrafficByName,
    LeakTest,
    MakeSupportFile,
)
from app.protocol.server_commands import (
    AddCustomServer,
    Connect,
    Disconnect,
    GenerateKeypair,
    ImportConfig,
    ListServers,
    RemoveCustomServer,
    SelectProvider,
    SetFavourite,
)
from app.protocol.settings_commands import (
    ChangePreferences,
    ChooseWan,
    CreateBackup,
    GetPreferences,
    RestoreBackup,
    SetDevicePolicy,
    SetOwner,
)

__all__ = [
    "AddCustomServer",
    "AdmitDevice",
    "AnyCommand",
    "Bulk",
    "BulkCommand",
    "ChangeDevice",
    "ChangeException",
    "ChangeExit",
    "ChangeOwnDevice",
    "ChangePreferences",
    "ChooseWan",
    "Command",
    "ConfigureProvider",
    "Connect",
    "CreateBackup",
    "DescribeProvider",
    "Disconnect",
    "EndException",
    "Explain",
    "ExportHistory",
    "ForgetDevice",
    "GenerateKeypair",
    "GetAccount",
    "GetCanary",
    "GetCounters",
    "GetDeviceHistory",
    "GetHistory",
    "GetLogs",
    "GetOwnDevice",
    "GetPreferences",
    "GetProof",
    "GetSelfService",
    "GetTraffic",
    "GetTrafficByName",
    "GetWhy",
    "Handler",
    "HandlerEntry",
    "ImportConfig",
    "LeakTest",
    "ListProviderDevices",
    "ListServers",
    "MakeExit",
    "MakeSupportFile",
    "OpenExits",
    "RefreshServers",
    "RemoveCustomServer",
    "RemoveExit",
    "RemoveGroup",
    "RemoveProviderDevice",
    "RestoreBackup",
    "RotateKey",
    "SelectProvider",
    "SetDevicePolicy",
    "SetDeviceSchedule",
    "SetFavourite",
    "SetGroup",
    "SetOwner",
    "SetSelfService",
    "SignIn",
    "SignOut",
    "StartException",
    "StartProof",
    "UseFileKey",
]


def _union(commands: list[type[Command[Any]]]) -> Any:
    return Union[tuple(commands)]  # noqa: UP007 - made of a list


# msgspec chooses among the classes by their tags; for a type checker their common base is enough.
if TYPE_CHECKING:
    BulkCommand = Command[object]
else:
    BulkCommand = _union([c for c in Command.__subclasses__() if c.in_bulk])


class Bulk(Command[tuple[Outcome, ...]], frozen=True, tag="bulk"):
    """Carry out ``commands`` in their order: ``atomic``, all or none; else each on its own.

    While an atomic request runs, nothing else changes the gateway. Where a command fails, those before it are undone,
    and its error is raised with ``operations[N]`` before the field. Raises ConflictError (``busy``) while another one
    is under way.
    """

    commands: tuple[BulkCommand, ...]
    atomic: bool = True


if TYPE_CHECKING:
    AnyCommand = Command[object]
else:
    AnyCommand = _union(Command.__subclasses__())
