"""networkd's files follow the WAN that is chosen on the page, without a restart, as gateway.toml would have them.

netd writes which port it is, and has no privilege to do the rest itself. So nothing is taken from it but one word,
which must point at a port in one of the forms that gateway.toml takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import msgspec

from app import atomic, portname
from app.firstboot import programs, render
from app.firstboot.configuration import stored_config
from app.firstboot.paths import Paths, write

MAX_LENGTH = 64  # bytes
FILES = ("15-wan.network", "16-onboard-lan.network")


def update_networkd(paths: Paths, reload: Callable[[], None]) -> None:
    """Bring the files to what is chosen now, and ``reload`` them.

    Raises OSError, ProgramError: then it is to be tried again.
    """
    port, done = chosen_port(paths), None
    while port is not None and port != done and not paths.wan_card.exists():
        _write_files(paths, port)
        reload()  # also where the files were right: an earlier run may have come no further
        port, done = chosen_port(paths), port  # what changes while we work would be missed by the .path unit


def _write_files(paths: Paths, port: str) -> None:
    config = stored_config(paths)
    if port:
        config = msgspec.structs.replace(config, network=msgspec.structs.replace(config.network, wan=port))
    files = render.networkd(config, paths.wan_network.read_text())
    directory = paths.run / "systemd" / "network"
    for name in FILES:
        path, text = directory / name, files.get(name)
        if text == (path.read_text() if path.exists() else None):
            continue
        if text is None:
            path.unlink()
        else:
            write(path, text.encode(), 0o644)


def chosen_port(paths: Paths) -> str | None:
    """The port, in a form of app.portname; empty: the one that is found automatically; None: nothing usable."""
    data = atomic.read(paths.run / "vpn-gateway" / "wan" / "port")
    if data is None:
        return None
    text = data[: MAX_LENGTH + 1].decode(errors="replace").removesuffix("\n")
    if text and (len(text) > MAX_LENGTH or not portname.is_valid(text)):
        print("not the name of a port", file=sys.stderr)
        return None
    return text


def reload() -> None:
    programs.run("networkctl", "reload")
