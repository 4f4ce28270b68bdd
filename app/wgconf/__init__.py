"""WireGuard .conf dialects: parser, linter and renderer; nothing in a file is ever executed (pure)."""

from app.wgconf.check import check
from app.wgconf.lexer import MAX_BYTES
from app.wgconf.parse import MAX_PEERS, parse
from app.wgconf.render import format_config
from app.wgconf.types import ConfigError, ConfigWarning, ContradictionError, ParsedConfig

__all__ = [
    "MAX_BYTES",
    "MAX_PEERS",
    "ConfigError",
    "ConfigWarning",
    "ContradictionError",
    "ParsedConfig",
    "check",
    "format_config",
    "parse",
]
