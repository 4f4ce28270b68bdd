"""``python -m app auth set-password | reset``: local recovery, which needs root instead of the password."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from pathlib import Path

import msgspec

from app.auth import owner
from app.auth.owner import Owner
from app.auth.password_rules import check_new
from app.auth.passwords import hashed
from app.auth.state import AuthState, Password, fresh, new_signing_key
from app.auth.store import DamagedError, change
from app.errors import GatewayError


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m app auth",
        description="Change the password of the gateway's web interface; the running service notices the change.",
    )
    actions = made.add_subparsers(dest="action", required=True)
    for name, text in (
        ("set-password", "read a new admin password from the standard input; ends every session"),
        ("reset", "remove password, second factor, sessions and API keys: the first password can be set again"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--state-dir", type=Path, required=True, metavar="DIR", help="the web process's own")
        action.add_argument("--netd-state-dir", type=Path, metavar="DIR", help="netd's, which keeps a hash of its own")
    return made


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("New password: ")
    return sys.stdin.readline().rstrip("\r\n")


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    directory: Path = arguments.state_dir
    netd: Path | None = arguments.netd_state_dir
    try:
        if arguments.action == "reset":
            if netd is not None:
                owner.store(netd, None)
            change(directory, lambda _: fresh(), damaged=fresh())
            print("The password was removed. Set a new one in the web interface.")
            return 0
        made = Password(hashed(check_new(_read_password())), time.time())

        def replace(state: AuthState) -> AuthState:
            return msgspec.structs.replace(state, password=made, sessions=(), signing_key=new_signing_key())

        if netd is not None:
            owner.store(netd, Owner(made.hash))
        change(directory, replace)
    except GatewayError as error:
        print(f"auth: {error.message}", file=sys.stderr)
    except DamagedError as error:
        print(f"auth: the stored credentials cannot be read ({error}); use reset", file=sys.stderr)
    except OSError as error:
        print(f"auth: {directory}: {error.strerror}", file=sys.stderr)
    else:
        print("The password was set.")
        return 0
    return 1
