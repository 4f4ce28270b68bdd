"""The sensitive values in the state directory, secrets and the owner's names, for redacting them.

They are read from the files directly, without the store's lock: the support file is made beside a netd that holds the
lock, and also where no netd runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.model import LanSettings, Secret
from app.store import accounts, secrets, servers, settings
from app.store.documents import Decoded

LEASES = "dnsmasq.leases"
SEEN = "devices.json"  # the devices that netd has seen


def stored_secrets(directory: Path) -> set[str]:
    """Keys, tokens and credentials; of a file that is damaged, every text in it. Raises nothing."""
    found: set[str] = set()
    readers: tuple[tuple[str, Callable[[bytes], Decoded[Any]]], ...] = (
        (secrets.FILE, secrets.decode),
        (accounts.FILE, accounts.decode),
    )
    for name, decode in readers:
        data = _read(directory / name)
        if not data:
            continue
        try:
            decoded = decode(data)
        except (ValueError, RecursionError):
            found |= _texts(data)
        else:
            found |= set(revealed(decoded.value)) | (_texts(data) if decoded.damaged else set())
    return found


def revealed(value: object) -> Iterator[str]:
    """The text of each ``Secret`` within a value of the model, and the identifiers of accounts."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, msgspec.Struct):
        if isinstance(value, accounts.Account):  # the provider's identifiers of this gateway
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


def stored_names(directory: Path) -> dict[str, set[str]]:
    """The names of devices, the gateway and the hosts of the user's servers, by kind; given names of the gateway too.

    Raises nothing. Files of a newer version are read as well, damaged ones as far as possible.
    """
    set_up = _document(_read(directory / settings.FILE))
    hosts = {host for key, host in _named(_document(_read(directory / servers.FILE))) if key == "host"}
    named = {(key, name) for key, name in _named(set_up) if key in {"name", "group", "hostname", "domain"}}
    hosts |= {name for key, name in _named(set_up) if key == "host_names"}
    leased = (line.split() for line in _read(directory / LEASES).decode(errors="replace").splitlines())
    seen = {name for key, name in _named(_document(_read(directory / SEEN))) if key == "hostname"}
    ours = LanSettings()
    return {
        "device-name": seen
        | {n for key, n in named if key in {"name", "group"}}
        | {w[3] for w in leased if w[3:4] not in ([], ["*"])},
        "gateway-name": {n for key, n in named if key == "hostname"} - {ours.hostname},
        "domain": {n for key, n in named if key == "domain"} - {ours.domain},
        "host-name": {host for host in hosts if not _literal(host)},
    }


def _literal(host: str) -> bool:
    """Whether ``host`` is an address literal, which gets the placeholder of an address."""
    return ":" in host or host.replace(".", "").isdigit()


# --- files -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _document(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _texts(data: bytes) -> set[str]:
    document = _document(data)
    if document is None:  # cut off in its middle: what stands between quotation marks
        return set(data.decode(errors="replace").split('"'))
    return {text for _, text in _named(document)}


def _named(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Each text of a JSON document with the name before it."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _named(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, name)
