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
from app.protocol.report_commands import (
    ExportHistory,
    GetCounters,
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
    "AnyCommand",
    "Bulk",
    "BulkCommand",
    "ChangePreferences",
    "ChooseWan",
    "Command",
    "ConfigureProvider",
    "Connect",
    "CreateBackup",
    "DescribeProvider",
    "Disconnect",
    "ExportHistory",
    "GenerateKeypair",
    "GetAccount",
    "GetCounters",
    "GetHistory",
    "GetLogs",
    "GetPreferences",
    "GetTraffic",
    "GetTrafficByName",
    "Handler",
    "HandlerEntry",
    "ImportConfig",
    "LeakTest",
    "ListProviderDevices",
    "ListServers",
    "MakeSupportFile",
    "RefreshServers",
    "RemoveCustomServer",
    "RemoveProviderDevice",
    "RestoreBackup",
    "RotateKey",
    "SelectProvider",
    "SetDevicePolicy",
    "SetFavourite",
    "SetOwner",
    "SignIn",
    "SignOut",
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
