"""Which exits something concerns (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from app.tunnel.machine import ExitMachine
from app.tunnel.states import tunnels_of


def on_provider(machines: Iterable[ExitMachine], provider: str) -> list[ExitMachine]:
    """Exits that use a server of ``provider``, or want one."""
    return [
        machine
        for machine in machines
        if (machine.goal is not None and machine.goal.provider == provider)
        or any(tunnel.target.provider == provider for tunnel in tunnels_of(machine.state))
    ]
