"""The file ``settings.json``: one versioned document that holds :class:`app.model.Settings`.

Its values are also validated at reading: another version, or an edit by hand, may have made a network that cannot be
planned. A part at fault is left out, and then nothing is connected: the gateway comes up blocked, and says why.
"""

from __future__ import annotations

import msgspec

from app import serialization
from app.errors import InvalidFieldError
from app.model import Settings
from app.store.documents import Decoded
from app.store.validation import check_network

FILE = "settings.json"
VERSION = 1


class Document(msgspec.Struct, frozen=True):
    version: int
    settings: Settings


def encode(settings: Settings) -> bytes:
    return serialization.encode(Document(version=VERSION, settings=settings))


def decode(data: bytes) -> Decoded[Settings]:
    """The settings. Raises ValueError where the file is damaged; msgspec's errors are subclasses.

    Fields that a newer version added are passed over, so that a rollback to this version keeps the rest.
    """
    document: Document = serialization.decode(data, Document)
    settings, left_out = plannable(document.settings)
    return Decoded(settings, document.version, left_out)


def plannable(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """``settings`` with the default for each part that prevents planning a network, and the reasons (pure)."""
    faults: list[str] = []
    for _ in Settings.__struct_fields__:  # each is at fault once at most
        try:
            check_network(settings)
        except InvalidFieldError as error:
            faults.append(error.message)
            settings = _without(settings, (error.field or "").partition(".")[0])
        else:
            return settings, tuple(faults)
    raise ValueError("no network can be planned from the defaults either")


def _without(settings: Settings, part: str) -> Settings:
    """``settings`` with the default for ``part``, which never opens more than before."""
    default = Settings()
    policy = default.default_policy if part == "devices" else settings.default_policy  # "direct" is for known devices
    changed = msgspec.structs.replace(settings, default_policy=policy, desired={}, first_choice={}, asked={})
    return msgspec.structs.replace(changed, **{part: getattr(default, part)})
