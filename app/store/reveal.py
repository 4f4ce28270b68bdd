"""Every secret that the state directory holds, for whoever has to keep them out of a text. Shows none itself.

It reads the files as they lie there, without the store's lock: the support file is made beside a netd that has it, and
also where there is no netd.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.model import Secret
from app.store import accounts, secrets
from app.store.documents import Decoded


def stored_secrets(directory: Path) -> set[str]:
    """Keys, tokens and credentials; of a file that is damaged, every text in it. Raises nothing."""
    found: set[str] = set()
    readers: tuple[tuple[str, Callable[[bytes], Decoded[Any]]], ...] = (
        (secrets.FILE, secrets.decode),
        (accounts.FILE, accounts.decode),
    )
    for name, decode in readers:
        try:
            data = (directory / name).read_bytes()
        except OSError:
            continue
        try:
            decoded = decode(data)
        except (ValueError, RecursionError):
            found |= _texts(data)
        else:
            found |= set(revealed(decoded.value)) | (_texts(data) if decoded.damaged else set())
    return found


def revealed(value: object) -> Iterator[str]:
    """The text of each ``Secret`` within a value of the model, and what stands for an account."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, msgspec.Struct):
        if isinstance(value, accounts.Account):  # by which the provider knows this gateway
            yield from filter(None, (value.device_id, value.device_name, *value.retired))
        for field in value.__struct_fields__:
            yield from revealed(getattr(value, field))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from revealed(key)
            yield from revealed(inner)
    elif isinstance(value, tuple | list | frozenset | set):
        for inner in value:
            yield from revealed(inner)


def _texts(data: bytes) -> set[str]:
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        # A file cut off in its middle: what stands between quotation marks.
        return set(data.decode(errors="replace").split('"'))
    return set(_leaves(document))


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
