"""The admin password of the web interface, set and removed by its own command (``python -m app auth``)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from app.errors import InvalidFieldError
from app.firstboot import programs
from app.firstboot.fat import Fat
from app.firstboot.paths import Paths
from app.firstboot.programs import ProgramError

RESET = ("reset-password", "reset-password.txt")  # Windows likes to add the ending, and not to show it
FIELD = "system.admin_password"

# Seconds; it takes a tenth of one, and the whole unit has 120. Whoever asks for a password must not stay without one
# because a card is slow.
TIMEOUT = 90

Auth = Callable[[str, str], None]  # action, what it reads; raises InvalidFieldError


def auth_command(web: Path) -> Auth:
    """The web interface's own command, at its state in ``web``."""

    def run(action: str, text: str) -> None:
        command = (sys.executable, "-sP", "-m", "app", "auth", action, "--state-dir", str(web))
        try:
            programs.run(*command, text=text, timeout=TIMEOUT)
        except ProgramError as error:
            reason = error.stderr.splitlines()[-1] if error.stderr else str(error)
            raise InvalidFieldError(f"{FIELD}: {reason.removeprefix('auth: ')}", field=FIELD) from None

    return run


def reset_password(paths: Paths, auth: Auth) -> list[str]:
    """Remove the admin password where a file on the card asks for it; returns the faults."""
    fat = Fat(paths.fat)
    try:
        requests = [path for name in RESET if (path := fat.find(name)) is not None]
        if not requests:
            return []
        auth("reset", "")
        with fat.writable():
            for path in requests:
                path.unlink()
    except InvalidFieldError as error:
        return [f"{RESET[0]}: {error.message.removeprefix(f'{FIELD}: ')}"]
    except (OSError, ProgramError) as error:
        return [f"{RESET[0]}: {error}"]
    print("the admin password was removed, as asked for on the boot partition")
    return []
