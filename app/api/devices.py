"""The LAN's devices: their names, policies and addresses."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint

from app import mac_address
from app.api.auth import require_owner
from app.api.auth.body import Code, PasswordText, RedactedStruct
from app.api.auth.confirmation import confirm_password, submit_as_owner
from app.api.context import gateway, snapshot
from app.api.operation import Success, operation
from app.errors import InvalidFieldError
from app.model import DEFAULT_EXIT, BlockedPolicy, Device, DirectPolicy, Lease, Neighbour, Policy, VpnPolicy
from app.protocol.commands import SetDevicePolicy
from app.protocol.status import Snapshot

blueprint = Blueprint("devices", __name__)


class DeviceBody(Struct, frozen=True):
    mac: str
    name: str | None  # given by the user
    hostname: str | None  # sent by the device
    address: str | None  # its IPv4 address
    addresses: tuple[str, ...]  # all that the gateway knows of it, also link-local ones
    leased: bool  # False = the address was set on the device itself, or another DHCP server gave it
    seen: float | None  # Unix time at which it last answered the gateway
    policy: str  # "vpn", "vpn:<exit>", "direct" or "blocked"
    own_policy: bool  # False = it follows the default


class DevicesBody(Struct, frozen=True):
    devices: tuple[DeviceBody, ...]
    default_policy: str


class LeasesBody(Struct, frozen=True):
    leases: tuple[Lease, ...]


PolicyText = Annotated[str, Meta(extra_json_schema={"pattern": r"^(vpn(:[\s\S]+)?|direct|blocked)$"})]
MacText = Annotated[str, Meta(extra_json_schema={"pattern": "^[:.-]*([0-9a-fA-F][:.-]*){12}$"})]


class PolicyBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    policy: PolicyText
    name: Annotated[str, Meta(max_length=64)] | None = None  # None = as it is
    password: PasswordText | None = None  # the admin password, for ``direct``
    code: Code | None = None  # and this where there is a second factor


def policy_text(policy: Policy) -> str:
    match policy:
        case VpnPolicy(exit=name):
            return "vpn" if name == DEFAULT_EXIT else f"vpn:{name}"
        case DirectPolicy():
            return "direct"
        case BlockedPolicy():
            return "blocked"


def parse_policy(text: str) -> Policy:
    """The policy that ``text`` names. Raises InvalidFieldError."""
    kind, colon, exit_name = text.partition(":")
    match kind, colon, exit_name:
        case "vpn", "", "":
            return VpnPolicy()
        case "vpn", ":", name if name:
            return VpnPolicy(name)
        case "direct", "", "":
            return DirectPolicy()
        case "blocked", "", "":
            return BlockedPolicy()
        case _:
            raise InvalidFieldError("policy: one of vpn, vpn:<exit>, direct, blocked", field="policy")


def loosens(command: SetDevicePolicy) -> bool:
    """Whether the command does anything else than to block a device."""
    return not isinstance(command.policy, BlockedPolicy) or command.name is not None


def lets_out(command: SetDevicePolicy) -> bool:
    """Whether the command lets a device out in the clear."""
    return isinstance(command.policy, DirectPolicy)


def device_bodies(snapshot: Snapshot) -> tuple[DeviceBody, ...]:
    """Every device with a policy of its own, with a lease, or seen on the LAN, by MAC address."""
    known = {d.mac: d for d in snapshot.devices}
    leases = {lease.mac: lease for lease in snapshot.leases}
    seen: dict[str, list[Neighbour]] = {}
    for neighbour in snapshot.neighbours:
        seen.setdefault(neighbour.mac, []).append(neighbour)
    return tuple(
        _body(mac, known.get(mac), leases.get(mac), seen.get(mac, []), snapshot)
        for mac in sorted(known.keys() | leases.keys() | seen.keys())
    )


def _body(
    mac: str, device: Device | None, lease: Lease | None, seen: list[Neighbour], snapshot: Snapshot
) -> DeviceBody:
    leased = [lease.address] if lease else []
    addresses = tuple(dict.fromkeys((*leased, *(n.address for n in seen))))
    return DeviceBody(
        mac=mac,
        name=device.name if device else None,
        hostname=lease.hostname if lease else None,
        address=next((a for a in addresses if ":" not in a), None),
        addresses=addresses,
        leased=lease is not None,
        seen=max((n.seen for n in seen), default=None),
        policy=policy_text(device.policy if device else snapshot.default_policy),
        own_policy=device is not None,
    )


@operation(blueprint, "GET", "/api/devices")
async def list_devices() -> DevicesBody:
    """The devices seen on the LAN and their policies."""
    now = await snapshot()
    return DevicesBody(device_bodies(now), policy_text(now.default_policy))


@operation(blueprint, "GET", "/api/leases")
async def list_leases() -> LeasesBody:
    """The DHCP leases in force."""
    return LeasesBody((await snapshot()).leases)


@operation(blueprint, "PUT", "/api/devices/<mac>/policy", needs_owner=False)
async def set_device_policy(mac: MacText, body: PolicyBody) -> Success:
    """Decide what one device may do; its open connections are dropped.

    ``direct`` lets the device out in the clear, so that the password is asked for again. Without a password a device
    can only be blocked.
    """
    command = SetDevicePolicy(mac_address.parse_device(mac), parse_policy(body.policy), body.name)
    if loosens(command):
        require_owner()
    if lets_out(command):
        password = await confirm_password(body.password, body.code)
        result = await submit_as_owner(msgspec.structs.replace(command, password=password), password)
    else:
        result = await gateway().submit(command)
    return Success(True, result.message, result.warnings)
