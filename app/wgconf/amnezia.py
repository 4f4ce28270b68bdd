"""AmneziaWG, WireGuard with disguised packets: recognised, so that it is refused by name and never half understood."""

from __future__ import annotations

import re

from app.wgconf import fields
from app.wgconf.lexer import Entry
from app.wgconf.types import ConfigError, ConfigWarning

# Jc, Jmin, Jmax, J1-J3, I1-I5 and ITime send junk ahead of a handshake, which a WireGuard server passes over; S1-S4 pad
# the packets and H1-H4 change their types, and then nothing but an AmneziaWG server understands them.
_JUNK = ("Jc", "Jmin", "Jmax", "J1", "J2", "J3", "I1", "I2", "I3", "I4", "I5", "ITime")
_PADDING = ("S1", "S2", "S3", "S4")
_TYPES = ("H1", "H2", "H3", "H4")
SETTINGS = (*_JUNK, *_PADDING, *_TYPES)
PEER_SETTINGS = ("AdvancedSecurity",)

_PLAIN = {
    **dict.fromkeys((n.lower() for n in _PADDING), "0"),
    **{n.lower(): n[1] for n in _TYPES},
    "advancedsecurity": "off",
}
_ALL = {name.lower() for name in (*SETTINGS, *PEER_SETTINGS)}
_RANGE = re.compile(r"[0-9]{1,10}\s*-\s*[0-9]{1,10}")


def check(entries: list[Entry], warnings: list[ConfigWarning]) -> None:
    """Raises ConfigError where the packets would differ from WireGuard's; warns where only junk is left out."""
    ours = sorted((e for e in entries if e.key.lower() in _ALL), key=lambda entry: entry.line)
    for entry in ours:
        if entry.value.lower() != _PLAIN.get(entry.key.lower(), entry.value.lower()):
            raise ConfigError(
                "this is an AmneziaWG configuration: its packets are not WireGuard's, which alone are supported",
                line=entry.line,
                key=entry.key,
            )
    if ours:
        message = "AmneziaWG's junk packets are left out; the server must also accept plain WireGuard"
        warnings.append(ConfigWarning("amneziawg_junk", message, ours[0].line, ours[0].key))


def keepalive(value: str) -> int:
    """Seconds, as :func:`app.wgconf.fields.keepalive`; the error for a range names AmneziaWG."""
    if _RANGE.fullmatch(value):
        raise fields.BadValueError(f"{fields.shown(value)} is a range, which only AmneziaWG knows; give one number")
    return fields.keepalive(value)
