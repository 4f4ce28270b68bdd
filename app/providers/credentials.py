"""The credentials of a sign-in form: checking, comparing and masking them (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.errors import InvalidFieldError
from app.model import Secret
from app.providers.base import CredentialField

SHOWN = 4  # characters at the end of an account that are shown


def check_credentials(form: tuple[CredentialField, ...], given: Mapping[str, Secret], title: str) -> dict[str, Secret]:
    """The values without surrounding blanks, and without any blanks where there is a pattern.

    Raises InvalidFieldError, which names the field and never shows its value.
    """
    names = [entry.name for entry in form]
    if not set(given) <= set(names):
        raise InvalidFieldError(f"{title} asks for {', '.join(names)}", field="credentials")
    found: dict[str, Secret] = {}
    for entry in form:
        value = given.get(entry.name, Secret("")).reveal().strip()
        if not value:
            if not entry.optional:
                raise InvalidFieldError(f"{entry.label}: required", field=entry.name)
            continue
        if entry.pattern is not None:
            value = "".join(value.split())
        fits = entry.pattern is None or re.fullmatch(entry.pattern, value)
        if len(value) > entry.longest or not value.isprintable() or not fits:
            raise InvalidFieldError(f"{entry.label}: {entry.help or 'invalid value'}", field=entry.name)
        found[entry.name] = Secret(value)
    return found


def same_account(form: tuple[CredentialField, ...], one: Mapping[str, Secret], other: Mapping[str, Secret]) -> bool:
    """Whether ``other``, from a form, is the account of ``one``: an optional field that is left empty says nothing."""
    return all(
        one.get(entry.name) == other.get(entry.name)
        for entry in form
        if not entry.optional or (entry.name in one and entry.name in other)
    )


def masked(value: Secret | None) -> str:
    """``•••• 1234``, or only dots where the value is too short to show its end."""
    text = value.reveal() if value is not None else ""
    return f"•••• {text[-SHOWN:] if len(text) > 2 * SHOWN else ''}".strip()
