"""What devices may decide for themselves: nothing, a pause of their VPN, their exit, or both."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from quart import Blueprint

from app import mac_address
from app.api.auth.body import Code, PasswordText, RedactedStruct
from app.api.auth.confirmation import submit_confirmed
from app.api.context import gateway
from app.api.devices import MacText
from app.api.operation import Success, operation
from app.model import SelfService
from app.protocol.commands import GetSelfService, SetSelfService
from app.self_service import may_pause

blueprint = Blueprint("self_service", __name__)

ExitName = Annotated[str, Meta(min_length=1, max_length=32)]
Exits = Annotated[tuple[ExitName, ...], Meta(max_length=32)]
Seconds = Annotated[int, Meta(ge=60, le=86400)]


class SelfServiceBody(Struct, frozen=True):
    everybody: SelfService  # of all devices without a rule of their own
    devices: dict[str, SelfService]  # by MAC address


class SelfServiceChange(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    allow: Literal["off", "pause", "exit", "all"]
    exits: Exits | None = None  # that may be chosen; null = any
    longest_pause: Seconds = 1800
    password: PasswordText | None = None  # the admin password, where devices may pause: then they leave in the clear
    code: Code | None = None  # and this where there is a second factor


class DeviceSelfServiceChange(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    allow: Literal["off", "pause", "exit", "all", "default"]  # default = as all devices
    exits: Exits | None = None
    longest_pause: Seconds = 1800
    password: PasswordText | None = None
    code: Code | None = None


@operation(blueprint, "GET", "/api/self-service")
async def get_self_service() -> SelfServiceBody:
    """Get what devices may decide for themselves."""
    found = await gateway().submit(GetSelfService())
    return SelfServiceBody(found.everybody, found.devices)


@operation(blueprint, "PUT", "/api/self-service")
async def set_self_service(body: SelfServiceChange) -> Success:
    """Decide what all devices without a rule of their own may decide for themselves.

    A pause lets a device out in the clear for a while, so that the password is asked for again where one is allowed.
    """
    return await _set(None, SelfService(body.allow, body.exits, body.longest_pause), body.password, body.code)


@operation(blueprint, "PUT", "/api/devices/<mac>/self-service")
async def set_device_self_service(mac: MacText, body: DeviceSelfServiceChange) -> Success:
    """Decide what one device may decide for itself; ``default`` as all others."""
    parsed = mac_address.parse_device(mac)
    service = None if body.allow == "default" else SelfService(body.allow, body.exits, body.longest_pause)
    return await _set(parsed, service, body.password, body.code)


async def _set(mac: str | None, service: SelfService | None, password: str | None, code: str | None) -> Success:
    command = SetSelfService(mac, service)
    wanted = service if service is not None else (await gateway().submit(GetSelfService())).everybody
    result = await submit_confirmed(command, password, code, needed=may_pause(wanted))
    return Success(True, result.message, result.warnings)
