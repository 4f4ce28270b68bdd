"""The transition of an exit, as observers receive it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from app.protocol.statistics import InterfaceBytes
from app.tunnel.states import State


class ExitTransition(Struct, frozen=True):
    exit: str
    old: State
    new: State
    cause: str | None = None  # why a tunnel was started, if the states alone do not say
    traffic: InterfaceBytes | None = None  # the last counters of the tunnel that was left


TransitionObserver = Callable[[ExitTransition], object]
