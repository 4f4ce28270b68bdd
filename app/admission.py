"""The admission of new devices: which devices wait, and the policies that the network is planned with (pure)."""

from __future__ import annotations

from app.model import Device, Policy, Settings, WaitingPolicy

PlannedPolicy = Policy | WaitingPolicy


def waits(settings: Settings, mac: str) -> bool:
    """Whether the device waits for its admission."""
    device = next((d for d in settings.devices if d.mac == mac), None)
    return settings.new_device_policy == "wait" if device is None else not device.admitted


def any_waits(settings: Settings) -> bool:
    """Whether a device waits, or a new one would."""
    return settings.new_device_policy == "wait" or not all(device.admitted for device in settings.devices)


def default_policy(settings: Settings) -> PlannedPolicy:
    """The policy of the devices that nobody has decided anything about."""
    return WaitingPolicy() if settings.new_device_policy == "wait" else settings.default_policy


def device_policies(settings: Settings) -> tuple[tuple[str, PlannedPolicy], ...]:
    """The policies of single devices, by MAC address; those that follow the default only where it is not for them."""
    everybody = default_policy(settings)
    found = ((device.mac, policy_of(device, settings.default_policy)) for device in settings.devices)
    return tuple((mac, policy) for mac, policy in found if policy != everybody)


def policy_of(device: Device, default: Policy) -> PlannedPolicy:
    """The policy of a device about which people decided something."""
    if not device.admitted:
        return WaitingPolicy()
    return device.policy if device.own else default
