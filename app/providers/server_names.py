"""The names and locations that users give to their servers."""

from __future__ import annotations

import unicodedata

from app.errors import InvalidFieldError
from app.filenames import MAX_NAME

MAX_LOCATION = 100  # characters
UNKNOWN = "Unknown"

_PUNCTUATION = frozenset("._- ")


def check_name(text: str) -> str:
    """``text`` as a server's name, in Unicode's composed form; raises InvalidFieldError (``name``).

    A name is part of a URL path (``/api/custom/remove/{name}``) and of ``provider/hostname``. It has letters and digits
    of any script, ``.``, ``_``, ``-`` and single spaces, and begins with a letter or digit, so that it is never ``..``.
    """
    name = unicodedata.normalize("NFC", text)
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidFieldError(f"name: must have 1 to {MAX_NAME} characters", field="name")
    if not all(c in _PUNCTUATION or unicodedata.category(c)[0] in "LMN" for c in name):
        raise InvalidFieldError("name: only letters, digits, spaces and . _ - are allowed", field="name")
    if not name[0].isalnum() or name.endswith(" ") or "  " in name:
        raise InvalidFieldError(
            "name: must begin with a letter or digit, without a space at the end or two in a row", field="name"
        )
    return name


def check_location(text: str | None) -> str | None:
    """``text`` as a location for display, None where it is empty. Raises InvalidFieldError (``location``)."""
    if text is None:
        return None
    parts = [" ".join(part.split()) for part in unicodedata.normalize("NFC", text).split(",")]
    location = ", ".join(part for part in parts if part)
    if len(location) > MAX_LOCATION or not location.isprintable():
        raise InvalidFieldError(f"location: at most {MAX_LOCATION} printable characters", field="location")
    return location or None


def city_and_country(location: str | None) -> tuple[str, str]:
    """City and country: both of ``Stockholm, Sweden``, the country of ``Germany``; the rest is ``Unknown``."""
    if not location:
        return UNKNOWN, UNKNOWN
    city, comma, rest = location.partition(", ")
    return (city, rest.rpartition(", ")[2]) if comma else (UNKNOWN, city)
