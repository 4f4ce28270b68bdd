"""The LAN's devices: their names, policies and addresses."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Blueprint

from app import mac_address
from app.api.auth import require_owner
from app.api.auth.body import Code, Confirmation, PasswordText, RedactedStruct
from app.api.auth.confirmation import submit_confirmed
from app.api.context import gateway, snapshot
from app.api.device_body import DeviceBody, device_bodies, device_body, with_traffic
from app.api.operation import Success, operation
from app.errors import NotFoundError, UnavailableError
from app.model import BlockedPolicy, DirectPolicy, Lease, Policy
from app.policy_text import parse_policy, policy_text
from app.protocol.answers import Done
from app.protocol.commands import AdmitDevice, ChangeDevice, Command, ForgetDevice, GetTrafficByName, SetDevicePolicy
from app.protocol.preferences import NewDevicePolicy
from app.protocol.statistics import traffic_query

blueprint = Blueprint("devices", __name__)


OwnPolicyText = Annotated[str, Meta(extra_json_schema={"pattern": r"^(vpn(:[\s\S]+)?|direct|blocked|inherit)$"})]
MacText = Annotated[str, Meta(extra_json_schema={"pattern": "^[:.-]*([0-9a-fA-F][:.-]*){12}$"})]


class DevicesBody(Struct, frozen=True):
    devices: tuple[DeviceBody, ...]
    default_policy: str
    new_device_policy: NewDevicePolicy


class LeasesBody(Struct, frozen=True):
    leases: tuple[Lease, ...]


class PolicyBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    policy: OwnPolicyText
    name: Annotated[str, Meta(max_length=64)] | None = None  # None = as it is
    password: PasswordText | None = None  # the admin password, for ``direct``
    code: Code | None = None  # and this where there is a second factor


class DeviceChange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of a device; fields that are left out keep their value, null removes it."""

    name: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    group: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    address: IPv4Address | UnsetType | None = UNSET  # the fixed one

    def command(self, mac: str) -> ChangeDevice:
        return ChangeDevice(mac, self.name, self.group, self.address)


class DeviceChangeBody(DeviceChange, RedactedStruct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of a device; fields that are left out keep their value, null removes it."""

    password: PasswordText | None = None  # the admin password, where the other group lets the device out ``direct``
    code: Code | None = None  # and this where there is a second factor


def parse_own_policy(text: str) -> Policy | None:
    """As :func:`parse_policy`; None for ``inherit``: that of the device's group, or the default."""
    return None if text == "inherit" else parse_policy(text)


def loosens(command: SetDevicePolicy) -> bool:
    """Whether the command does anything else than to block a device."""
    return not isinstance(command.policy, BlockedPolicy) or command.name is not None


def lets_out(command: SetDevicePolicy) -> bool:
    """Whether the command lets a device out in the clear by itself."""
    return isinstance(command.policy, DirectPolicy)


@operation(blueprint, "GET", "/api/devices")
async def list_devices() -> DevicesBody:
    """The devices that are or were on the LAN, their policies, and their bytes of the last 24 hours."""
    now = await snapshot()
    found = await _traffic(device_bodies(now))
    return DevicesBody(found, policy_text(now.default_policy), now.new_device_policy)


@operation(blueprint, "GET", "/api/devices/<mac>", errors=(404,))
async def get_device(mac: MacText) -> DeviceBody:
    """One device, as in the list of all."""
    wanted = mac_address.parse_device(mac)
    found = device_body(await snapshot(), wanted)
    if found is None:
        raise NotFoundError("There is no such device", field="mac")
    return (await _traffic((found,)))[0]


@operation(blueprint, "PATCH", "/api/devices/<mac>")
async def change_device(mac: MacText, body: DeviceChangeBody) -> Success:
    """Name a device, put it in a group, or fix its address; what is left out stays as it is, null removes it.

    A fixed address is one of the LAN that DHCP then gives to this device and to no other. The device need not be here.
    Where another group, or none, lets the device out in the clear, the password is asked for again.
    """
    command = body.command(mac_address.parse_device(mac))
    return _success(await submit_confirmed(command, body.password, body.code))


@operation(blueprint, "DELETE", "/api/devices/<mac>", errors=(404,))
async def forget_device(mac: MacText, body: Confirmation | None) -> Success:
    """Forget a device and all that was decided about it. If it is here, it comes back as a new one.

    Where a new device may leave in the clear and this one may not, the password is asked for again.
    """
    return await _confirmed(ForgetDevice(mac_address.parse_device(mac)), body)


@operation(blueprint, "POST", "/api/devices/<mac>/admit")
async def admit_device(mac: MacText, body: Confirmation | None) -> Success:
    """Let a device in that waits for its admission (``new_device_policy`` is ``wait``).

    Where its policy is then ``direct``, the password is asked for again.
    """
    return await _confirmed(AdmitDevice(mac_address.parse_device(mac)), body)


async def _confirmed(command: Command[Done], body: Confirmation | None) -> Success:
    given = body or Confirmation()
    return _success(await submit_confirmed(command, given.password, given.code))


async def _traffic(bodies: tuple[DeviceBody, ...]) -> tuple[DeviceBody, ...]:
    """``bodies`` with the bytes of each; as they are where the statistics cannot be read."""
    try:
        found = await gateway().submit(GetTrafficByName("device", traffic_query()))
    except UnavailableError as error:
        if error.code != "storage":
            raise
        return bodies
    return with_traffic(bodies, found.sums, found.rates)


def _success(done: Done) -> Success:
    return Success(True, done.message, done.warnings)


@operation(blueprint, "GET", "/api/leases")
async def list_leases() -> LeasesBody:
    """The DHCP leases in force."""
    return LeasesBody((await snapshot()).leases)


@operation(blueprint, "PUT", "/api/devices/<mac>/policy", needs_owner=False)
async def set_device_policy(mac: MacText, body: PolicyBody) -> Success:
    """Decide what one device may do; its open connections are dropped.

    ``inherit`` takes its own policy away: it follows its group, or the default. ``direct`` lets the device out in the
    clear, so that the password is asked for again, as for ``inherit`` where that leads to it. Without a password a
    device can only be blocked.
    """
    command = SetDevicePolicy(mac_address.parse_device(mac), parse_own_policy(body.policy), body.name)
    if loosens(command):
        require_owner()
    return _success(await submit_confirmed(command, body.password, body.code, needed=lets_out(command)))
