"""The admin password of the web interface, set and removed by its own command (``python -m app auth``)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from app.errors import InvalidFieldError
from app.firstboot import programs
from app.firstboot.fat import Fat
from app.firstboot.paths import Paths, write
from app.firstboot.programs import ProgramError

RESET = ("reset-password", "reset-password.txt")  # Windows may add the ending and hide it
FIELD = "system.admin_password"

# Seconds; it takes a tenth of a second, and the whole unit has 120 s. A slow card must not leave the gateway without
# the requested password.
TIMEOUT = 90

Auth = Callable[[str, str], None]  # action, its input; raises InvalidFieldError


def auth_command(web: Path, netd: Path) -> Auth:
    """The web interface's command for its password, with its state in ``web`` and netd's in ``netd``."""

    def run(action: str, text: str) -> None:
        command = (sys.executable, "-sP", "-m", "app", "auth", action, "--state-dir", str(web))
        command += ("--netd-state-dir", str(netd))
        try:
            programs.run(*command, text=text, timeout=TIMEOUT)
        except ProgramError as error:
            reason = error.stderr.splitlines()[-1] if error.stderr else str(error)
            raise InvalidFieldError(f"{FIELD}: {reason.removeprefix('auth: ')}", field=FIELD) from None

    return run


def reset_password(paths: Paths, auth: Auth) -> list[str]:
    """Remove the admin password where a file on the card requests it; return the faults.

    A request is carried out once, also where its file cannot be removed, as on a card that is locked: else every start
    would remove the password that was set after the first.
    """
    fat = Fat(paths.fat)
    try:
        requests = [path for name in RESET if (path := fat.find(name)) is not None]
        if not requests:
            paths.reset_done.unlink(missing_ok=True)
            return []
        request = _identity(requests)
        done = _read(paths.reset_done) == request
        if not done:
            auth("reset", "")
            write(paths.reset_done, request, 0o600)
            print("the admin password was removed, as requested on the boot partition")
        with fat.writable():
            for path in requests:
                path.unlink()
        paths.reset_done.unlink(missing_ok=True)
    except InvalidFieldError as error:
        return [f"{RESET[0]}: {error.message.removeprefix(f'{FIELD}: ')}"]
    except (OSError, ProgramError) as error:
        return [f"{RESET[0]}: {error}"]
    return []


def _identity(requests: list[Path]) -> bytes:
    """The names and times of the files, by which a new request differs from one that was carried out."""
    return "\n".join(f"{path.name} {path.stat().st_mtime_ns}" for path in requests).encode()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
