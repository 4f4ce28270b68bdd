"""MAC addresses, which identify devices, ports and statistics: six pairs of hexadecimal digits (pure)."""

from __future__ import annotations

import functools
import re

from app.errors import InvalidFieldError

CANARY_PREFIX = "0a:76:67:63:61:"  # of the gateway's own devices in the LAN (app.canary): locally administered
FORM = "six pairs of hexadecimal digits, such as 02:00:00:00:00:01"

_CANONICAL = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_SEPARATORS = re.compile(r"[:.-]")
_DIGITS = re.compile(r"[0-9a-f]{12}")


@functools.lru_cache(2048)
def is_canonical(text: str) -> bool:
    """Whether ``text`` is a MAC address in lower case with colons."""
    return _CANONICAL.fullmatch(text) is not None


def is_device(text: str) -> bool:
    """Whether ``text`` is the canonical address of one device: no group's, and not the zero address."""
    return is_canonical(text) and not int(text[:2], 16) & 1 and text != "00:00:00:00:00:00"


def is_randomised(address: str) -> bool:
    """Whether a device made the address up itself (IEEE 802, "locally administered"), as phones do for each network."""
    return bool(int(address[:2], 16) & 2)


def is_canary(text: str) -> bool:
    """Whether ``text``, canonical, is an address of the gateway's own probes: it is in no list of devices."""
    return text.startswith(CANARY_PREFIX)


def parse_device(text: str, field: str = "mac") -> str:
    """As :func:`parse`, for the address of one device. Raises InvalidFieldError."""
    address = parse(text, field)
    if not is_device(address):
        raise InvalidFieldError(f"{field}: {address} is no device's: it is zero, broadcast or multicast", field=field)
    if is_canary(address):
        raise InvalidFieldError(f"{field}: {address} is the gateway's own, of its probes in the LAN", field=field)
    return address


def parse(text: str, field: str = "mac") -> str:
    """The address in lower case with colons, from any common spelling. Raises InvalidFieldError."""
    digits = _SEPARATORS.sub("", text.lower())
    if _DIGITS.fullmatch(digits) is None:
        raise InvalidFieldError(f"{field}: {FORM}", field=field)
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))
