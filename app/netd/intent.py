"""The intent: the goals of exits, recent servers and favourites; the only writer of these settings.

Each change is computed inside the store's update, so that no concurrent change is lost.
"""

from __future__ import annotations

import unicodedata

from msgspec import Struct
from msgspec.structs import replace

from app.errors import ConflictError
from app.model import ServerPlace, Settings
from app.store import Store
from app.tunnel.states import Target

MAX_RECENT = 20  # servers remembered as recently used
MAX_FAVOURITES = 500


class Goal(Struct, frozen=True):
    """The goal of an exit: the server it should use now, and the selector that was asked for."""

    target: Target
    asked: str  # a host name, a place, "fastest" or "random", as in the command connect
    first_choice: Target | None = None  # set while ``target`` is a fallback for it


class Intent:
    """The stored intent. Methods that write raise UnavailableError (``storage``); then nothing has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._proposed: dict[str, Goal] = {}  # of exits whose tunnel stays up until that of the goal is
        self._latest: dict[str, Goal] = {}  # as they were last set or proposed

    # --- exits -------------------------------------------------------------------------------------------------------

    def goal(self, exit_name: str) -> Goal | None:
        """The goal of the exit; None = disconnected."""
        return _goal(self._store.settings, exit_name)

    def targets(self, exit_name: str) -> frozenset[Target]:
        """The servers that the exit uses or is about to use."""
        goals = (self.goal(exit_name), self._proposed.get(exit_name))
        return frozenset(goal.target for goal in goals if goal is not None)

    def rename(self, old: str, new: str) -> None:
        """Follow an exit that is called ``new`` now; the settings have followed already."""
        for goals in (self._proposed, self._latest):
            if old in goals:
                goals[new] = goals.pop(old)

    def forget(self, exit_name: str) -> None:
        """Forget what is known of an exit that was removed, beside the settings."""
        for goals in (self._proposed, self._latest):
            goals.pop(exit_name, None)

    def set_goal(self, exit_name: str, target: Target | None, asked: str | None = None) -> None:
        """Store ``target`` as the goal; ``asked`` is the selector that it was chosen for (None = its own name)."""
        goal = None if target is None else self._note(exit_name, target, asked)
        self._proposed.pop(exit_name, None)
        self._store.update_settings(lambda s: _with_goal(s, exit_name, goal))

    def propose(self, exit_name: str, target: Target, asked: str | None = None) -> None:
        """Keep the goal in memory until :meth:`settle`: a crash in the middle of a switch must not store it."""
        self._proposed[exit_name] = self._note(exit_name, target, asked)

    def settle(self, exit_name: str, target: Target) -> None:
        """Store the goal that was proposed, if that is ``target``."""
        goal = self._proposed.get(exit_name)
        if goal is not None and goal.target == target:
            self._store.update_settings(lambda s: _with_goal(s, exit_name, goal))
            del self._proposed[exit_name]

    def withdraw(self, exit_name: str, target: Target) -> None:
        """Forget the goal that was proposed, if that is ``target``."""
        goal = self._proposed.get(exit_name)
        if goal is not None and goal.target == target:
            del self._proposed[exit_name]

    def asked_for(self, exit_name: str, target: Target) -> str | None:
        """The selector of the latest request for the exit, if ``target`` was chosen for it."""
        goal = self._latest.get(exit_name)
        return goal.asked if goal is not None and goal.target == target else None

    def _note(self, exit_name: str, target: Target, asked: str | None) -> Goal:
        goal = self._latest[exit_name] = Goal(target, asked or target.hostname)
        return goal

    def restore_goal(self, exit_name: str, goal: Goal, *, failed: Target) -> None:
        """Store ``goal`` again in place of ``failed``, unless the goal has changed since."""

        def change(settings: Settings) -> Settings:
            now = _goal(settings, exit_name)
            return _with_goal(settings, exit_name, goal) if now is not None and now.target == failed else settings

        self._store.update_settings(change)

    def fall_back(self, exit_name: str, failed: Target, target: Target, *, as_asked: bool = False) -> bool:
        """Make ``target`` the goal in place of ``failed``; False if the goal has changed since.

        It is a fallback, from which there is a way back, unless it is what was asked for (``as_asked``).
        """

        def change(settings: Settings) -> Settings:
            goal = _goal(settings, exit_name)
            if goal is None or goal.target != failed:
                return settings
            first = goal.first_choice or failed
            first_choice = None if as_asked or first == target else first
            return _with_goal(settings, exit_name, Goal(target, goal.asked, first_choice))

        goal = _goal(self._store.update_settings(change), exit_name)
        if goal is None or goal.target != target:
            return False
        self._proposed.pop(exit_name, None)  # of a switch that failed after its caller had gone
        return True

    def mark_reached(self, exit_name: str, target: Target) -> None:
        """Note that the exit is connected to ``target``. If that is the first choice, the fallback is over."""

        def change(settings: Settings) -> Settings:
            goal = _goal(settings, exit_name)
            if goal is None or goal.first_choice != target:
                return settings
            return _with_goal(settings, exit_name, replace(goal, first_choice=None))

        self._store.update_settings(change)

    def place(self, exit_name: str) -> ServerPlace | None:
        """The last known place of the server that the exit should use, or of the one that it uses another for."""
        goal, place = self.goal(exit_name), self._store.settings.places.get(exit_name)
        chosen = goal and (goal.first_choice or goal.target)
        return place if place is not None and chosen is not None and place.server == str(chosen) else None

    def note_place(self, exit_name: str, place: ServerPlace) -> None:
        """Keep the place of the exit's server."""
        if self._store.settings.places.get(exit_name) != place:
            self._store.update_settings(
                lambda s: replace(s, places={**s.places, exit_name: place}) if exit_name in s.exits else s
            )

    # --- servers -----------------------------------------------------------------------------------------------------

    def mark_recent(self, target: Target) -> None:
        """Put ``target`` first among the recent servers."""
        name = str(target)
        self._store.update_settings(
            lambda s: replace(s, recent=(name, *(r for r in s.recent if r != name))[:MAX_RECENT])
        )

    def mark_favourite(self, provider: str, server: str, *, favourite: bool) -> bool:
        """Mark or unmark a favourite; True if that is a change. Raises ConflictError (``too_many``)."""
        name = f"{provider}/{unicodedata.normalize('NFC', server)}"

        def change(settings: Settings) -> Settings:
            others = tuple(f for f in settings.favourites if f != name)
            if favourite and len(others) >= MAX_FAVOURITES:
                raise ConflictError(f"there are already {MAX_FAVOURITES} favourites", code="too_many")
            return replace(settings, favourites=(*others, name) if favourite else others)

        before = self._store.settings.favourites
        return self._store.update_settings(change).favourites != before


def _goal(settings: Settings, exit_name: str) -> Goal | None:
    """The goal in ``settings`` (pure). Older versions stored host names alone, without selectors."""
    desired = settings.desired.get(exit_name)
    if desired is None:
        return None
    target, first = Target.parse(desired), settings.first_choice.get(exit_name)
    first_choice = Target.parse(first) if first is not None else None
    return Goal(target, settings.asked.get(exit_name) or (first_choice or target).hostname, first_choice)


def _with_goal(settings: Settings, exit_name: str, goal: Goal | None) -> Settings:
    """``settings`` with ``goal`` as the goal of the exit (pure)."""
    desired, first, asked = (
        {name: value for name, value in kept.items() if name != exit_name}
        for kept in (settings.desired, settings.first_choice, settings.asked)
    )
    if goal is not None:
        desired[exit_name] = str(goal.target)
        if goal.first_choice is not None:
            first[exit_name] = str(goal.first_choice)
        if goal.asked != (goal.first_choice or goal.target).hostname:
            asked[exit_name] = goal.asked
    return replace(settings, desired=desired, first_choice=first, asked=asked)
