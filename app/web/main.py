"""``python -m app web``: connect to netd's socket, take the listening sockets, serve."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from app import settled
from app.api.auth.first_password import WINDOW, FirstPasswordWindow
from app.ipc import connect
from app.sd_notify import notify, stay_alive
from app.web import sockets
from app.web.app import create_app
from app.web.server import serve

log = logging.getLogger(__name__)

DESCRIPTORS = 4096


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m app web",
        description="Serve the API and the page. Listens on every --fd and --bind, and on what systemd passes.",
    )
    made.add_argument("--socket", type=Path, required=True, metavar="PATH", help="netd's Unix socket")
    made.add_argument("--fd", type=int, action="append", default=[], metavar="N", help="an inherited listening socket")
    made.add_argument("--bind", action="append", default=[], metavar="HOST:PORT", help="an address to listen on")
    made.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="a directory of this process's own, for the password and keys"
    )
    made.add_argument(
        "--first-password-until",
        type=float,
        default=WINDOW,
        metavar="SECONDS",
        help="of the machine's uptime, until which the first password may be set",
    )
    made.add_argument(
        "--lost",
        type=Path,
        metavar="PATH",
        help="is there where the stored state could not be mounted: then nothing can be changed",
    )
    made.add_argument("--after", type=Path, metavar="PATH", help="begin once this is there; systemd starts us earlier")
    made.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return made


def _listening(fds: list[int], binds: list[str]) -> list[socket.socket]:
    """The listening sockets. Raises OSError or ValueError; then none of them is left open."""
    opened: list[socket.socket] = []
    try:
        for fd in dict.fromkeys([*fds, *sockets.systemd_fds(os.environ, os.getpid())]):
            opened.append(sockets.inherit(fd))
        for address in binds:
            opened.append(sockets.bind(address))
    except (OSError, ValueError):
        for sock in opened:
            sock.close()
        raise
    return opened


def _allow_descriptors() -> None:
    """Raise the limit of descriptors to the number of WebSockets allowed; systemd's 1024 is for users of select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(options: argparse.Namespace, listening: list[socket.socket]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = connect(options.socket)
    window = FirstPasswordWindow(options.first_password_until)
    lost = options.lost is not None and options.lost.exists()
    app = create_app(gateway, state_dir=options.state_dir, window=window, lost=lost)
    notify("READY=1")  # the sockets listen already: every client that connects from here on is served
    alive = asyncio.create_task(stay_alive(), name="watchdog")
    try:
        await serve(app, listening, stop)
    finally:
        notify("STOPPING=1")
        alive.cancel()
        await gateway.close()


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=arguments.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    settled.wait_for(arguments.after)
    try:
        listening = _listening(arguments.fd, arguments.bind)
    except (OSError, ValueError) as error:
        print(f"web: cannot listen: {error}", file=sys.stderr)
        return 1
    if not listening:
        print("web: nothing to listen on: give --bind HOST:PORT or --fd N", file=sys.stderr)
        return 2
    _allow_descriptors()
    if arguments.state_dir is not None and not arguments.state_dir.is_dir():
        print(f"web: there is no directory {arguments.state_dir}", file=sys.stderr)
        return 1
    asyncio.run(_run(arguments, listening))
    return 0
