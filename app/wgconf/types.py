"""The values of a parsed .conf, its warnings and its errors."""

from __future__ import annotations

from msgspec import Struct

from app.errors import InvalidFieldError
from app.model import TunnelConfig
from app.wgconf.fields import BadValueError


class ConfigError(InvalidFieldError):
    """A .conf that cannot be used: ``line`` (from 1; None for the file as a whole), ``key``, ``reason``; no secret."""

    code = "invalid_config"

    def __init__(self, reason: str, *, line: int | None = None, key: str | None = None) -> None:
        where = (f"line {line}" if line is not None else None, key)
        super().__init__(": ".join([*(w for w in where if w), reason]), field="config")
        self.line = line
        self.key = key
        self.reason = reason


class ContradictionError(BadValueError):
    """Well-formed values contradict each other: ``key`` as in a .conf, ``peer`` from 0 (None: [Interface])."""

    def __init__(self, reason: str, *, key: str, peer: int | None = None) -> None:
        super().__init__(reason)
        self.key = key
        self.peer = peer


class ConfigWarning(Struct, frozen=True):
    """A warning about an accepted configuration; ``code`` is stable, ``message`` holds no secret."""

    code: str
    message: str
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


class ParsedConfig(Struct, frozen=True):
    config: TunnelConfig
    warnings: tuple[ConfigWarning, ...] = ()
    hooks: tuple[str, ...] = ()  # "PostUp = ...", as written; never executed. They may hold secrets
    provider: str | None = None  # the likely provider, for people
    location: str | None = None  # the likely place of the server: "Stockholm, Sweden" or "Sweden"
    device: str | None = None  # the name of the device that the provider made the file for
