"""Providers' accounts, favourites and preferences for the fake gateway: a form, a right answer, a state in memory."""

from __future__ import annotations

import msgspec

from app.errors import ConflictError, InvalidFieldError, NotFoundError
from app.model import FailoverSettings, ProviderSettings
from app.policy_text import parse_policy
from app.protocol.accounts import AccountStatus, Capabilities, CredentialField, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.answers import Done
from app.protocol.commands import (
    ChangePreferences,
    Command,
    ConfigureProvider,
    DescribeProvider,
    GetPreferences,
    ListProviderDevices,
    RefreshServers,
    RemoveProviderDevice,
    SetFavourite,
    SignIn,
    SignOut,
    UseFileKey,
)
from app.protocol.preferences import Preferences

ACCOUNT = "1234123412341234"
SIGNED_OUT = AccountStatus(signed_in=False)
SIGNED_IN = AccountStatus(
    signed_in=True,
    account="•••• 1234",
    expires=2e9,
    days_left=90,
    device="Happy Hippo",
    max_devices=5,
    key_created=1.7e9,
)


class FakeAccounts:
    def __init__(self) -> None:
        self.account = SIGNED_OUT
        self.devices = (ProviderDevice("d-1", "Happy Hippo", 1.7e9, True), ProviderDevice("d-2", "Old Owl", 1.6e9))
        self.settings = ProviderSettings()
        self.key_files: tuple[str, ...] = ()  # imported servers whose key opens Mullvad's list
        self.preferences = Preferences(FailoverSettings(), True, (), True, (), None, (), (), (), ())

    def answer(self, command: Command[object], current: str, names: tuple[str, ...]) -> object:
        name = getattr(command, "provider", current)
        if name not in names:
            raise NotFoundError("there is no such provider", field="provider")
        match command:
            case DescribeProvider():
                return self._info(name, current)
            case SetFavourite(provider=provider, server=server, favourite=favourite):
                others = tuple(f for f in self.preferences.favourites if f != f"{provider}/{server}")
                chosen = (*others, f"{provider}/{server}") if favourite else others
                self.preferences = msgspec.structs.replace(self.preferences, favourites=chosen)
                return Done()
            case GetPreferences():
                return self.preferences
            case ChangePreferences(change=change):
                wanted = {n: v for n in change.__struct_fields__ if (v := getattr(change, n)) is not msgspec.UNSET}
                if change.default_policy is not msgspec.UNSET:
                    parse_policy(change.default_policy, "default_policy")
                self.preferences = msgspec.structs.replace(self.preferences, **wanted)
                return self.preferences
            case _:
                pass
        if name != "mullvad":
            raise ConflictError(f"{name} has no accounts", field="provider", code="no_accounts")
        return self._account(command)

    def _info(self, name: str, current: str) -> ProviderInfo:
        if name != "mullvad":
            return ProviderInfo(name, name.title(), name == current, Capabilities(remove=True))
        return ProviderInfo(
            name,
            "Mullvad",
            name == current,
            Capabilities(
                sign_in=True,
                devices=True,
                key_rotation=True,
                multihop=True,
                post_quantum=True,
                content_blocking=("ads", "trackers"),
                file_key=True,
            ),
            (CredentialField("account_number", "Account number", pattern="[0-9]{16}"),),
            self.account,
            ListStatus("kept", 4, 1.7e9),
            self.settings,
            () if self.account.signed_in else self.key_files,
        )

    def _account(self, command: Command[object]) -> object:
        match command:
            case SignIn(credentials=given):
                if set(given) != {"account_number"}:
                    raise InvalidFieldError("account_number is missing", field="account_number", code="missing_field")
                if given["account_number"] != ACCOUNT:
                    raise InvalidFieldError("no such account", field="account_number", code="wrong_credentials")
                self.account = SIGNED_IN
            case UseFileKey(server=server):
                self.account = AccountStatus(signed_in=True, from_file=server)
            case SignOut():
                self.account = SIGNED_OUT
                return Done()
            case ListProviderDevices():
                return self.devices
            case RemoveProviderDevice(device=device):
                if device not in {d.id for d in self.devices}:
                    raise NotFoundError("there is no such device", field="device")
                self.devices = tuple(d for d in self.devices if d.id != device)
                return Done()
            case RefreshServers():
                return ListStatus("provider", 4, 1.7e9, changed=True)
            case ConfigureProvider(settings=settings):
                self.settings = settings
                return Done()
            case _:
                pass
        return self.account
