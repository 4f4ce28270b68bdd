"""Commands cross the socket with their tags and know what they are answered with; a bulk request holds some of them."""

from __future__ import annotations

import typing
from ipaddress import IPv4Address

import msgspec
import pytest

from app import serialization
from app.model import BlockedPolicy, ExitSettings, Never, Server, VpnPolicy
from app.protocol.accounts import AccountStatus, ProviderDevice
from app.protocol.answers import Done, Keypair, Outcome, ServerList
from app.protocol.commands import (
    AnyCommand,
    Bulk,
    ChangeExit,
    ChangePreferences,
    Command,
    Connect,
    CreateBackup,
    Disconnect,
    GenerateKeypair,
    ListProviderDevices,
    ListServers,
    MakeExit,
    MakeSupportFile,
    RemoveExit,
    SetDevicePolicy,
    SignIn,
)
from app.protocol.exit_commands import ExitChange
from app.protocol.preferences import PreferencesChange

COMMANDS: tuple[type[Command[object]], ...] = typing.get_args(AnyCommand)

# Netd acts on these while an atomic bulk request is under way; a bulk request may hold those.
DURING_BULK = {
    "describe_provider",
    "disconnect",
    "explain",
    "export_history",
    "generate_keypair",
    "get_account",
    "get_canary",
    "get_counters",
    "get_device_history",
    "get_history",
    "get_logs",
    "get_own_device",
    "get_preferences",
    "get_proof",
    "get_self_service",
    "get_traffic",
    "get_traffic_by_name",
    "get_why",
    "leak_test",
    "list_provider_devices",
    "list_servers",
    "make_support_file",
    "start_proof",
}
IN_BULK = {
    "add_custom_server",
    "change_preferences",
    "connect",
    "change_exit",
    "disconnect",
    "change_exception",
    "end_exception",
    "import_config",
    "make_exit",
    "remove_custom_server",
    "remove_exit",
    "remove_group",
    "select_provider",
    "set_device_policy",
    "set_device_schedule",
    "set_favourite",
    "change_device",
    "admit_device",
    "forget_device",
    "set_self_service",
    "set_group",
    "start_exception",
}


def tag(command: type[Command[object]]) -> object:
    return command.__struct_config__.tag


def test_what_a_bulk_request_holds_and_lets_through() -> None:
    assert {tag(c) for c in COMMANDS if c.during_bulk} == DURING_BULK
    assert {tag(c) for c in COMMANDS if c.in_bulk} == IN_BULK


@pytest.mark.parametrize(
    "command",
    [
        Connect("se-1", provider="mullvad"),
        SetDevicePolicy("02:00:00:00:00:01", VpnPolicy("work"), "Telly"),
        Connect(None, "tv"),
        MakeExit(ExitSettings("tv", dns=(IPv4Address("9.9.9.9"),), never=Never(countries=("us",)))),
        ChangeExit("tv", ExitChange(name="telly", mtu=None)),
        RemoveExit("tv", BlockedPolicy()),
        ChangePreferences(PreferencesChange(connect_at_boot=False)),
        SignIn("mullvad", {"account_number": "1"}),
        Bulk((Connect("se-1"), Disconnect()), atomic=False),
    ],
    ids=repr,
)
def test_a_command_crosses_the_socket_whole(command: Command[object]) -> None:
    assert serialization.decode(serialization.encode(command), AnyCommand) == command


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (Connect, Done(server="se-1", warnings=("slow",))),
        (ListServers, ServerList("mullvad", (Server("se-1", "mullvad"),))),
        (GenerateKeypair, Keypair("a", "b")),
        (SignIn, AccountStatus(True, days_left=3)),
        (ListProviderDevices, (ProviderDevice("d-1", "Owl"),)),
        (CreateBackup, b"\x00age\xff"),
        (MakeSupportFile, "text"),
        (Bulk, (Outcome(200, Done()), Outcome(409, code="taken"))),
    ],
)
def test_an_answer_arrives_as_its_type(command: type[Command[object]], answer: object) -> None:
    assert serialization.decode(serialization.encode(answer), command.result_type()) == answer


@pytest.mark.parametrize("command", [ListServers(), Bulk(()), CreateBackup("correct horse")], ids=repr)
def test_a_bulk_request_holds_no_other_command(command: Command[object]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"commands\[0\]"):
        serialization.decode(serialization.encode(Bulk((command,))), AnyCommand)
