"""The validation of the single fields of a list entry (pure)."""

from __future__ import annotations

import ipaddress
import re

from app import keys
from app.addresses import Network
from app.providers.server_list.address_policy import BadEntryError
from app.providers.server_list.relay import UNKNOWN

HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CODE = re.compile(r"[A-Za-z]{2}")


def hostname(text: str) -> str:
    """A name that is safe in a URL path and in ``provider/hostname``. Raises BadEntryError."""
    if not HOSTNAME.fullmatch(text):
        raise BadEntryError("invalid host name")
    return text


def dns_name(text: str) -> str:
    """A DNS name in lower case. Raises BadEntryError."""
    labels = text.lower().removesuffix(".").split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise BadEntryError("invalid host name to dial")
    return ".".join(labels)


def public_key(text: str) -> str:
    """Raises BadEntryError."""
    try:
        return keys.check_public_key(text)
    except keys.InvalidKeyError as error:
        raise BadEntryError(f"the public key: {error}") from None


def words(text: object, what: str, *, longest: int = 64) -> str:
    """One line of text for display. Raises BadEntryError."""
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        raise BadEntryError(f"the {what} is not plain text of at most {longest} characters")
    return " ".join(text.split()) or UNKNOWN


def country_code(text: str) -> str | None:
    return text.lower() if _CODE.fullmatch(text) else None


def port(number: int | None, what: str) -> int | None:
    """Raises BadEntryError."""
    if number is not None and not 0 < number < 65536:
        raise BadEntryError(f"the {what} is not a port")
    return number


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def degrees(value: float | None, most: float) -> float | None:
    return round(value, 4) if value is not None and -most <= value <= most else None


def percent(value: float | None) -> float | None:
    return round(value, 1) if value is not None and 0 <= value <= 100 else None
