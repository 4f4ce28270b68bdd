"""The form that people sign in with: what they gave, checked; and what may be shown of it again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.errors import InvalidFieldError
from app.model import Secret
from app.providers.base import CredentialField

SHOWN = 4  # last characters of an account that are shown again


def check_credentials(form: tuple[CredentialField, ...], given: Mapping[str, Secret], title: str) -> dict[str, Secret]:
    """The values without blanks around them (within, where there is a pattern). Raises InvalidFieldError.

    The error names the field and shows nothing of its value.
    """
    names = [entry.name for entry in form]
    if not set(given) <= set(names):
        raise InvalidFieldError(f"{title} asks for {', '.join(names)}", field="credentials")
    found: dict[str, Secret] = {}
    for entry in form:
        value = given.get(entry.name, Secret("")).reveal().strip()
        if not value:
            if not entry.optional:
                raise InvalidFieldError(f"{entry.label}: it is needed", field=entry.name)
            continue
        if entry.pattern is not None:
            value = "".join(value.split())
        fits = entry.pattern is None or re.fullmatch(entry.pattern, value)
        if len(value) > entry.longest or not value.isprintable() or not fits:
            raise InvalidFieldError(f"{entry.label}: {entry.help or 'it cannot be used'}", field=entry.name)
        found[entry.name] = Secret(value)
    return found


def same_account(form: tuple[CredentialField, ...], one: Mapping[str, Secret], other: Mapping[str, Secret]) -> bool:
    return all(one.get(entry.name) == other.get(entry.name) for entry in form if not entry.optional)


def masked(value: Secret | None) -> str:
    """``•••• 1234``, or only dots where the end would be too much of it."""
    text = value.reveal() if value is not None else ""
    return f"•••• {text[-SHOWN:] if len(text) > 2 * SHOWN else ''}".strip()
