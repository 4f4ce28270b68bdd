"""netd's own copy of the admin password's hash, in the file ``owner.json`` of netd's directory.

The web process faces the LAN. What would take the keys out of the gateway or let a device out in the clear is therefore
checked a second time, by netd and against this file, which the web process can neither read nor write.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from app import serialization
from app.atomic import read, sync_directory, write_atomic
from app.auth.store import DamagedError
from app.model import Secret

NAME = "owner.json"


class Owner(Struct, frozen=True):
    hash: Secret  # as argon2id writes it (PHC string format)


def load(directory: Path) -> Owner | None:
    """The owner; None where no password was ever set. Raises DamagedError."""
    try:
        data = read(directory / NAME)
        return None if data is None else serialization.decode(data, Owner)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(type(error).__name__) from None


def store(directory: Path, owner: Owner | None) -> None:
    """Replace the owner; None removes it. Raises OSError."""
    path = directory / NAME
    if owner is None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            sync_directory(directory)
        return
    write_atomic(path, serialization.encode(owner, secrets=True) + b"\n")
    if os.geteuid() == 0:  # the command line's, at the start: netd must be able to read it
        belongs = directory.stat()
        os.chown(path, belongs.st_uid, belongs.st_gid)
