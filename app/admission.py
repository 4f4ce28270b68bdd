"""The admission of new devices: which devices wait, and the policy of those that nobody has decided about (pure)."""

from __future__ import annotations

from app.model import Policy, Settings, WaitingPolicy

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
