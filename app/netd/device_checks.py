"""The checks before something is decided about a device: its address, the room for it, the exit of its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from app import mac_address
from app.errors import ConflictError, InvalidFieldError, NotFoundError
from app.model import Policy, Settings, VpnPolicy
from app.netd.protocols import KnownExits
from app.store.validation import MAX_DEVICES

OwnAddresses = Callable[[], Iterable[str]]  # the MAC addresses of the gateway's own ports


def device_address(text: str, own: OwnAddresses, field: str = "mac") -> str:
    """The MAC address of a device, which is none of the gateway's ``own``. Raises InvalidFieldError."""
    mac = mac_address.parse_device(text, field)
    if mac in own():
        raise InvalidFieldError(f"{field}: {mac} is the gateway's own", field=field)
    return mac


def check_room(settings: Settings, mac: str) -> None:
    """Check that something may be kept about one more device. Raises ConflictError (``too_many``)."""
    if len(settings.devices) >= MAX_DEVICES and all(device.mac != mac for device in settings.devices):
        message = f"there are already {MAX_DEVICES} devices that something was decided about; forget one first"
        raise ConflictError(message, code="too_many")


def check_exit(policy: Policy | None, exits: KnownExits, field: str = "policy") -> None:
    """Check that the exit of ``policy`` exists; ``field`` is the one that named it. Raises NotFoundError."""
    if not isinstance(policy, VpnPolicy):
        return
    try:
        exits.get(policy.exit)
    except NotFoundError as error:
        raise NotFoundError(f"{field}: {error.message}", field=field) from None
