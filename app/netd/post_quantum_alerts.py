"""The alert that a tunnel which should be post-quantum is not."""

from __future__ import annotations

from app.netd.transition import ExitTransition
from app.protocol.events import EventSink, SecurityAlert
from app.tunnel.states import Blocked, Connected, Disconnected, Reason, State


class PostQuantumAlerts:
    """Publishes each cause once for an exit, until a key exchange succeeds there or the exit is disconnected."""

    def __init__(self, publish: EventSink) -> None:
        self._publish = publish
        self._published: dict[str, str] = {}  # message, by exit

    def on_transition(self, move: ExitTransition) -> None:
        """Call after every transition of an exit."""
        message = _problem(move.new)
        if message is None:
            if isinstance(move.new, Connected | Disconnected):
                self._published.pop(move.exit, None)
        elif self._published.get(move.exit) != message:
            self._published[move.exit] = message
            self._publish(SecurityAlert(Reason.POST_QUANTUM_FAILED.value, message, exit=move.exit))


def _problem(state: State) -> str | None:
    match state:
        case Connected(tunnel=tunnel):
            problem = tunnel.post_quantum_problem
            return f"{tunnel.target.hostname}: no post-quantum key for the tunnel: {problem}" if problem else None
        case Blocked(reason=Reason.POST_QUANTUM_FAILED, message=message, target=target):
            return f"{target.hostname}: {message}"
        case _:
            return None
