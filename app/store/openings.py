"""What a restored backup would open: everything that the present settings do not already allow (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.errors import ConflictError
from app.model import BlockedPolicy, Device, DirectPolicy, LinkSettings, Policy, Settings
from app.protocol.answers import Opening


def openings(now: Settings, restored: Settings) -> tuple[Opening, ...]:
    """The openings by which ``restored`` differs from the settings ``now``."""
    return tuple(_openings(now, restored))


def _openings(now: Settings, restored: Settings) -> Iterator[Opening]:
    already = {device.mac for device in _direct(now)}
    if devices := [_named(device) for device in _direct(restored) if device.mac not in already]:
        yield Opening("direct", f"devices that leave in the clear, past the VPN: {', '.join(devices)}")
    if _openness(restored.default_policy) > _openness(now.default_policy):
        clear = isinstance(restored.default_policy, DirectPolicy)
        what = "leave in the clear, past the VPN" if clear else "use the VPN"
        yield Opening("default_policy", f"all devices without a policy of their own {what}")
    if restored.exit_check_url not in {None, now.exit_check_url}:
        yield Opening("exit_check", f"each connection is told to {restored.exit_check_url}")
    if restored.links != now.links:
        yield Opening("roles", f"the network ports: WAN {_port(restored.links)}, LAN {_lan(restored.links)}")


def check_accepted(found: tuple[Opening, ...], accepted: tuple[str, ...]) -> None:
    """Raises ConflictError (``accept_openings``) that lists what is not accepted."""
    if left := [opening for opening in found if opening.what not in accepted]:
        listed = "; ".join(f"{opening.what}: {opening.message}" for opening in left)
        raise ConflictError(
            f"The backup opens what is closed now. Accept each by its name, or restore another one. {listed}",
            field="accept",
            code="accept_openings",
        )


def _direct(settings: Settings) -> list[Device]:
    return [device for device in settings.devices if isinstance(device.policy, DirectPolicy)]


def _named(device: Device) -> str:
    return f"{device.name} ({device.mac})" if device.name else device.mac


def _openness(policy: Policy) -> int:
    return 2 if isinstance(policy, DirectPolicy) else 0 if isinstance(policy, BlockedPolicy) else 1


def _port(links: LinkSettings) -> str:
    return links.carrier or links.wan or "detected"


def _lan(links: LinkSettings) -> str:
    return ", ".join(links.lan) if links.lan is not None else "detected"
