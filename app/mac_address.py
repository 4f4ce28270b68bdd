"""MAC addresses, which identify devices, ports and statistics: six pairs of hexadecimal digits (pure)."""

from __future__ import annotations

import re

from app.errors import InvalidFieldError

FORM = "six pairs of hexadecimal digits, such as 02:00:00:00:00:01"

_CANONICAL = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_SEPARATORS = re.compile(r"[:.-]")
_DIGITS = re.compile(r"[0-9a-f]{12}")


def is_canonical(text: str) -> bool:
    """Whether ``text`` is a MAC address in lower case with colons."""
    return _CANONICAL.fullmatch(text) is not None


def is_device(text: str) -> bool:
    """Whether ``text`` is the canonical address of one device: no group's, and not the zero address."""
    return is_canonical(text) and not int(text[:2], 16) & 1 and text != "00:00:00:00:00:00"


def parse_device(text: str, field: str = "mac") -> str:
    """As :func:`parse`, for the address of one device. Raises InvalidFieldError."""
    address = parse(text, field)
    if not is_device(address):
        raise InvalidFieldError(f"{field}: {address} is no device's: it is zero, broadcast or multicast", field=field)
    return address


def parse(text: str, field: str = "mac") -> str:
    """The address in lower case with colons, from any common spelling. Raises InvalidFieldError."""
    digits = _SEPARATORS.sub("", text.lower())
    if _DIGITS.fullmatch(digits) is None:
        raise InvalidFieldError(f"{field}: {FORM}", field=field)
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))
