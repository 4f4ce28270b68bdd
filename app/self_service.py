"""What a device decides for itself, as far as its admin allows it: its exit among some, and a pause of the VPN (pure).

A choice never opens anything: it replaces one exit by another where the admin's own policy is the VPN, and counts for
nothing while the device is blocked, waits, or is no longer allowed to choose. A pause is an exception that ends by
itself, and ends early where the admin's policy is the VPN no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from app.model import Policy, SelfService, Settings, VpnPolicy

STEP = 60.0  # seconds; schedules change at whole minutes


def granted(settings: Settings, mac: str) -> SelfService:
    """The self-service of the device: its own, or that of all."""
    return settings.device_self_service.get(mac, settings.self_service)


def may_pause(service: SelfService) -> bool:
    return service.allow in {"pause", "all"}


def may_choose(service: SelfService) -> bool:
    return service.allow in {"exit", "all"}


def more_pauses(before: Settings, after: Settings) -> Iterator[str | None]:
    """The devices that may pause the VPN by ``after``, and by ``before`` not or not for so long; None = all others."""

    def more(old: SelfService, new: SelfService) -> bool:
        return may_pause(new) and not (may_pause(old) and new.longest_pause <= old.longest_pause)

    for mac in sorted({*before.device_self_service, *after.device_self_service}):
        if more(granted(before, mac), granted(after, mac)):
            yield mac
    if more(before.self_service, after.self_service):
        yield None


def exits_to_choose(settings: Settings, mac: str) -> tuple[str, ...]:
    """The exits that the device may choose, in the order of the settings; a hole in their numbers has no name."""
    service = granted(settings, mac)
    if not may_choose(service):
        return ()
    return tuple(name for name in settings.exits if name and (service.exits is None or name in service.exits))


def with_choice(settings: Settings, mac: str, policy: Policy) -> Policy:
    """The admin's ``policy`` for the device, or its own choice of exit where that is the VPN and it may choose."""
    chosen = settings.chosen_exits.get(mac)
    if chosen is None or not isinstance(policy, VpnPolicy) or chosen not in exits_to_choose(settings, mac):
        return policy
    return VpnPolicy(chosen)


def with_exit_renamed(settings: Settings, old: str, new: str | None) -> Settings:
    """``settings`` in which choices of the exit ``old``, made or allowed, are of ``new``; None = of none any more."""

    def follow(service: SelfService) -> SelfService:
        if service.exits is None or old not in service.exits:
            return service
        names = (new if name == old else name for name in service.exits)
        return replace(service, exits=tuple(name for name in names if name is not None))

    chosen = {mac: new if name == old else name for mac, name in settings.chosen_exits.items()}
    return replace(
        settings,
        self_service=follow(settings.self_service),
        device_self_service={mac: follow(service) for mac, service in settings.device_self_service.items()},
        chosen_exits={mac: name for mac, name in chosen.items() if name is not None},
    )


def with_exit_restored(settings: Settings, before: Settings, name: str) -> Settings:
    """``settings`` with the choices of the exit ``name`` as in ``before``, where no others were made since."""

    def back(now: SelfService, old: SelfService) -> SelfService:
        if old.exits is None or now.exits != tuple(one for one in old.exits if one != name):
            return now
        return replace(now, exits=old.exits)

    return replace(
        settings,
        self_service=back(settings.self_service, before.self_service),
        device_self_service={
            mac: back(service, before.device_self_service.get(mac, service))
            for mac, service in settings.device_self_service.items()
        },
        chosen_exits={mac: one for mac, one in before.chosen_exits.items() if one == name} | settings.chosen_exits,
    )


def end_of_pause(policy_at: Callable[[float], Policy], now: float, until: float) -> float:
    """The end of a pause until ``until``: earlier where the admin's policy is the VPN no longer, as at bedtime.

    ``policy_at`` gives the policy of the device at a time, without exceptions.
    """
    moment = now
    while moment < until:
        if not isinstance(policy_at(moment), VpnPolicy):
            return moment
        moment = min(until, moment - moment % STEP + STEP)
    return until
