"""What a restarted netd needs to adopt a running tunnel: kept in the run directory, gone with the boot. No secrets."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, field

from app import serialization
from app.atomic import write_atomic
from app.tunnel.states import Connected


class Runtime(Struct, frozen=True):
    connected: dict[str, Connected] = field(default_factory=dict)  # by exit


def load(path: Path) -> Runtime:
    """The last record, or an empty one: without it tunnels are made anew, which is slower but as safe."""
    try:
        return serialization.decode(path.read_bytes(), Runtime)
    except (OSError, msgspec.DecodeError):
        return Runtime()


def save(path: Path, runtime: Runtime) -> None:
    write_atomic(path, serialization.encode(runtime))
