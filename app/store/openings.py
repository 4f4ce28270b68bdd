"""What a restored backup would open: everything that the present settings do not already allow (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.admission import waits
from app.errors import ConflictError
from app.in_the_clear import DEFAULT, NEW_DEVICES, opened
from app.model import Device, DirectPolicy, LinkSettings, Settings
from app.policies import openness
from app.protocol.answers import Opening
from app.self_service import more_pauses


def openings(now: Settings, restored: Settings) -> tuple[Opening, ...]:
    """The openings by which ``restored`` differs from the settings ``now``."""
    return tuple(_openings(now, restored))


def _openings(now: Settings, restored: Settings) -> Iterator[Opening]:
    names = {device.mac: _named(device) for device in (*now.devices, *restored.devices)}
    new = [names.get(one, one) for one in sorted({*opened(now, restored)} - {DEFAULT, NEW_DEVICES})]
    if new:
        yield Opening("direct", f"devices that leave in the clear, past the VPN: {', '.join(new)}")
    if openness(restored.default_policy) > openness(now.default_policy):
        clear = isinstance(restored.default_policy, DirectPolicy)
        what = "leave in the clear, past the VPN" if clear else "use the VPN"
        yield Opening("default_policy", f"all devices without a policy of their own {what}")
    if let_in := _let_in(now, restored):
        yield Opening("new_devices", let_in)
    if message := _pauses(now, restored):
        yield Opening("self_service", message)
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


def _let_in(now: Settings, restored: Settings) -> str | None:
    """Who waits for an admission now, and would not after."""
    if now.new_device_policy == "wait" and restored.new_device_policy != "wait":
        return "new devices do not wait for their admission"
    named = [_named(d) for d in restored.devices if waits(now, d.mac) and not waits(restored, d.mac)]
    return f"devices that wait for their admission now: {', '.join(named)}" if named else None


def _pauses(now: Settings, restored: Settings) -> str:
    """Who may leave in the clear by its own decision, and may not now; empty where nobody may."""
    listed = ", ".join(mac or "all others" for mac in more_pauses(now, restored))
    return f"devices that may pause the VPN themselves, and then leave in the clear: {listed}" if listed else ""


def _named(device: Device) -> str:
    return f"{device.name} ({device.mac})" if device.name else device.mac


def _port(links: LinkSettings) -> str:
    return links.carrier or links.wan or "detected"


def _lan(links: LinkSettings) -> str:
    return ", ".join(links.lan) if links.lan is not None else "detected"
