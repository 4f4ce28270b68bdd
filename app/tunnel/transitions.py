"""The history records of an exit, derived from pairs of states (pure for a given clock)."""

from __future__ import annotations

from collections.abc import Callable

from app.protocol.statistics import InterfaceBytes, Transition
from app.tunnel.clock import boottime
from app.tunnel.states import (
    Blocked,
    Connected,
    Connecting,
    Disconnected,
    Disconnecting,
    State,
    Target,
    shown_as,
    tunnels_of,
)


class Journal:
    """Turns transitions into history records; remembers when each exit entered its state."""

    def __init__(self, clock: Callable[[], float] = boottime) -> None:
        self._clock = clock
        self._entered: dict[str, float] = {}
        self._goals: dict[str, Target | None] = {}

    def rename(self, old: str, new: str) -> None:
        """Follow an exit that is called ``new`` now."""
        for known in (self._entered, self._goals):
            if old in known:
                known[new] = known.pop(old)  # pyright: ignore[reportArgumentType] - of the same kind

    def on_transition(
        self,
        exit_name: str,
        old: State,
        new: State,
        cause: str | None = None,
        at: float = 0.0,
        traffic: InterfaceBytes | None = None,
    ) -> Transition | None:
        """The record of ``old`` -> ``new`` at ``at`` (Unix time); None where the user would see no difference.

        ``cause`` overrides the cause that follows from the states. ``traffic`` are the counters of the tunnel that is
        left, read while its interface still existed.
        """
        if not _differ(old, new):
            return None
        now = self._clock()
        entered = old.since_boot if isinstance(old, Connected) else self._entered.get(exit_name)
        self._entered[exit_name] = now
        left, target = target_of(old), target_of(new)
        goal = target or left or self._goals.get(exit_name)
        self._goals[exit_name] = None if isinstance(new, Disconnected) else goal
        return Transition(
            time=at,
            exit=exit_name,
            before=shown_as(old).value,
            after=shown_as(new).value,
            cause=cause or _cause(old, new),
            message=new.message if isinstance(new, Blocked) else None,
            provider=goal.provider if goal else None,
            server=goal.hostname if goal else None,
            previous_server=left.hostname if left and target and left != target else None,
            duration=round(max(0.0, now - entered), 3) if entered is not None else None,
            up=traffic.tx if traffic else None,
            down=traffic.rx if traffic else None,
            attempt=new.attempt if isinstance(new, Connecting | Blocked) else 0,
        )


def target_of(state: State) -> Target | None:
    """The server of ``state``, if it has one."""
    if isinstance(state, Blocked):
        return state.target
    tunnels = tunnels_of(state)
    return tunnels[0].target if tunnels else None


def _differ(old: State, new: State) -> bool:
    """Whether the user sees a difference: another active tunnel is one, a candidate is not."""
    if isinstance(old, Connected) and isinstance(new, Connected):
        return old.since_boot != new.since_boot or old.tunnel.target != new.tunnel.target
    return old != new


def _cause(old: State, new: State) -> str:
    match old, new:
        case _, Blocked(reason=reason):
            return reason.value
        case Disconnected(), Connected():
            return "adopted"
        case Connected(), Connected():
            return "switched"
        case _, Connected():
            return "handshake"
        case ((Connecting() | Blocked()), Connecting()) if target_of(old) == target_of(new):
            return "retry"
        case _, (Connecting() | Disconnecting() | Disconnected()):
            return "requested"
        case _:
            return "unknown"
