"""One move of an exit, as those receive it who follow the exits."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from app.protocol.statistics import InterfaceBytes
from app.tunnel.states import State


class ExitTransition(Struct, frozen=True):
    exit: str
    old: State
    new: State
    cause: str | None = None  # why a tunnel was begun, where the states alone do not tell
    traffic: InterfaceBytes | None = None  # the counters of the tunnel that was left


TransitionObserver = Callable[[ExitTransition], object]
