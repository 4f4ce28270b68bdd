"""Accounts and devices at Mullvad: one device for this gateway, and a second one while its key is replaced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from msgspec.structs import replace

from app import keys
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.account_token import AccountToken
from app.providers.base import ProviderDevice
from app.providers.decode import parse_timestamp
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    ProviderDownError,
    TooManyDevicesError,
)
from app.providers.mullvad_api import TITLE, AccountData, DeviceData, MullvadApi
from app.store.accounts import Account

T = TypeVar("T")

MIN_TOKEN_LIFE = 600.0  # seconds for which a new token is used at least


class MullvadAccount:
    """An :class:`app.providers.account_parts.AccountApi` and :class:`app.providers.account_parts.DeviceApi`."""

    def __init__(self, session: AccountSession, api: MullvadApi) -> None:
        self._session = session
        self._api = api
        self._token = AccountToken(session, self._renew)

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        account = await self.open(credentials)
        token = _token(account)
        data = await self._api.account(token)
        self._check_expiry(data)
        if not data.can_add_devices:
            raise await self._too_many_devices(token, data)
        try:
            device = await self._create_device(token, pair.public_key)
        except TooManyDevicesError:
            raise await self._too_many_devices(token, data) from None
        return _with_device(
            replace(
                account,
                private_key=pair.private_key,
                key_created=self._session.now(),
                expires=parse_timestamp(data.expiry, TITLE),
                max_devices=data.max_devices,
                checked=self._session.now(),
            ),
            device,
        )

    async def _create_device(self, token: Secret, public_key: str) -> DeviceData:
        try:
            return await self._api.create_device(token, public_key)
        except (ProviderDownError, BadAnswerError):
            # Perhaps it was created and the answer was lost. A device whose key is lost would use up a place for ever.
            device = next((d for d in await self._api.devices(token) if d.pubkey == public_key), None)
            if device is None or not device.addresses:
                raise
            return device

    async def open(self, credentials: dict[str, Secret]) -> Account:
        return await self._renew(Account(credentials=credentials))

    async def check(self, account: Account) -> Account:
        account, data = await self._call(account, self._api.account)
        account, devices = await self._call(account, self._api.devices)
        self._session.save(account)  # keeps the token even if the account turns out to have a problem
        account = replace(account, expires=parse_timestamp(data.expiry, TITLE), max_devices=data.max_devices)
        self._check_expiry(data)
        ours = next((d for d in devices if d.id == account.device_id), None)
        for private in (account.private_key, account.pending_key):
            if ours is not None and private is not None and ours.pubkey == keys.public_key(private):
                # The pending key is registered if a rotation reached Mullvad and its answer was lost.
                pending = None if private is account.pending_key else account.pending_key
                return _with_device(replace(account, private_key=private, pending_key=pending), ours)
        raise KeyRevokedError("This gateway's device was removed from the Mullvad account; sign in again")

    def _check_expiry(self, data: AccountData) -> None:
        ends = parse_timestamp(data.expiry, TITLE)
        if ends <= self._session.now():
            day = datetime.fromtimestamp(ends, UTC).date().isoformat()
            raise AccountExpiredError(f"This Mullvad account expired on {day}; add time to it", expires=ends)

    async def _too_many_devices(self, token: Secret, data: AccountData) -> TooManyDevicesError:
        devices = await self._api.devices(token)
        named = ", ".join(f"{d.name} ({(d.created or '')[:10]})" for d in devices[:20])
        return TooManyDevicesError(
            f"This account has {len(devices)} of {data.max_devices} devices: {named}; remove one, then sign in again",
            field="device",
        )

    async def forget(self, account: Account) -> None:
        """Remove every device of this gateway, including that of a rotation whose answer was lost, known by its key."""
        account, devices = await self._call(account, self._api.devices)
        ours = {keys.public_key(k) for k in (account.private_key, account.pending_key) if k is not None}
        for device_id in [d.id for d in devices if d.pubkey in ours or d.id in {account.device_id, *account.retired}]:
            account, _ = await self._call(account, lambda token, d=device_id: self._api.remove_device(token, d))

    async def devices(self, account: Account) -> tuple[ProviderDevice, ...]:
        _, devices = await self._call(account, self._api.devices)
        return tuple(
            ProviderDevice(
                d.id, d.name, parse_timestamp(d.created, TITLE) if d.created else None, d.id == account.device_id
            )
            for d in devices
        )

    async def remove_device(self, account: Account, device_id: str) -> None:
        await self._call(account, lambda token: self._api.remove_device(token, device_id))

    async def replace_key(self, account: Account, pair: KeyPair) -> Account:
        """Register a second device, so that the old key works until the new tunnel is up; without room replace it."""
        account, devices = await self._call(account, self._api.devices)
        registered = next((d for d in devices if d.pubkey == pair.public_key), None)
        if registered is not None:  # an earlier attempt whose answer was lost
            return _moved_to_device(account, registered)
        if not any(d.id == account.device_id for d in devices):
            raise KeyRevokedError("This gateway's device was removed from the Mullvad account; sign in again")
        account, data = await self._call(account, self._api.account)
        self._check_expiry(data)
        if data.can_add_devices:
            try:
                account, device = await self._call(
                    account, lambda token: self._api.create_device(token, pair.public_key)
                )
                return _moved_to_device(account, device)
            except TooManyDevicesError:
                pass  # another device took the last place just now
        device_id = account.device_id or ""
        account, device = await self._call(
            account, lambda token: self._api.replace_key(token, device_id, pair.public_key)
        )
        return _with_device(account, device)

    async def remove_retired(self, account: Account) -> Account:
        for device_id in account.retired:
            if device_id != account.device_id:
                account, _ = await self._call(account, lambda token, d=device_id: self._api.remove_device(token, d))
        return replace(account, retired=())

    async def close(self, account: Account) -> None:
        """Do nothing, because Mullvad's tokens expire."""

    async def _call(self, account: Account, call: Callable[[Secret], Awaitable[T]]) -> tuple[Account, T]:
        return await self._token.use(account, lambda with_token: call(_token(with_token)))

    async def _renew(self, account: Account) -> Account:
        token, ends = await self._api.token(account.credentials["account_number"])
        # By a clock that is ahead every token would have expired already, so a new one counts as valid for a while. A
        # token that Mullvad refuses is renewed anyway.
        return replace(account, token=token, token_expires=max(ends, self._session.now() + MIN_TOKEN_LIFE))


def _token(account: Account) -> Secret:
    assert account.token is not None
    return account.token


def _with_device(account: Account, device: DeviceData) -> Account:
    return replace(
        account, device_id=device.id, device_name=device.name, addresses=device.addresses or account.addresses
    )


def _moved_to_device(account: Account, device: DeviceData) -> Account:
    """``account`` on ``device``; its previous device is retired, and removed once the tunnel has moved."""
    old = () if account.device_id in {None, device.id} else (str(account.device_id),)
    return _with_device(replace(account, retired=(*account.retired, *old)), device)
