"""The update of networkd's files after the WAN was chosen on the page, without a restart.

The files are those that gateway.toml would give. netd writes the port's name to a file and has no privilege for the
rest; that name is the only input from netd, and must have one of the forms that gateway.toml accepts.
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
# Not networkctl(1): since systemd 256 that refuses to run in another network namespace than networkd, and the unit has
# one of its own (PrivateNetwork=yes).
RELOAD = (
    *("busctl", "--system", "call", "org.freedesktop.network1", "/org/freedesktop/network1"),
    *("org.freedesktop.network1.Manager", "Reload"),
)
FILES = ("15-wan.network", "16-onboard-lan.network")


def update_networkd(paths: Paths, reload: Callable[[], None]) -> None:
    """Write the files for the port that is chosen now, and ``reload`` them.

    Raises OSError, ProgramError; the caller tries again.
    """
    port, done = chosen_port(paths), None
    while port is not None and port != done and not paths.wan_card.exists():
        _write_files(paths, port)
        reload()  # also where the files were right: an earlier run may have failed here
        port, done = chosen_port(paths), port  # the .path unit misses a change during this run


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
    """The chosen port, in a form of app.portname; empty = found automatically; None = no valid choice."""
    data = atomic.read(paths.run / "vpn-gateway" / "wan" / "port")
    if data is None:
        return None
    text = data[: MAX_LENGTH + 1].decode(errors="replace").removesuffix("\n")
    if text and (len(text) > MAX_LENGTH or not portname.is_valid(text)):
        print("not the name of a port", file=sys.stderr)
        return None
    return text


def reload() -> None:
    programs.run(*RELOAD)
