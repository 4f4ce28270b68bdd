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
    """Remove the admin password where a file on the card requests it; return the faults."""
    fat = Fat(paths.fat)
    try:
        requests = [path for name in RESET if (path := fat.find(name)) is not None]
        if not requests:
            return []
        stamp = " ".join(f"{path.name} {path.stat().st_mtime_ns}" for path in requests)
        if paths.reset_done.exists() and paths.reset_done.read_text() == stamp:
            return [f"{RESET[0]}: carried out at an earlier start, and it cannot be removed: is the card locked?"]
        auth("reset", "")
        write(paths.reset_done, stamp.encode(), 0o600)  # a file that stays must not open the gateway at every start
        with fat.writable():
            for path in requests:
                path.unlink()
        paths.reset_done.unlink()
    except InvalidFieldError as error:
        return [f"{RESET[0]}: {error.message.removeprefix(f'{FIELD}: ')}"]
    except (OSError, ProgramError) as error:
        return [f"{RESET[0]}: {error}"]
    print("the admin password was removed, as requested on the boot partition")
    return []
