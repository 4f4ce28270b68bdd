"""The admin password of the web interface, set and removed by its own command (``python -m app auth``)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from app.errors import InvalidFieldError
from app.firstboot.fat import Fat
from app.firstboot.paths import Paths

RESET = ("reset-password", "reset-password.txt")  # Windows likes to add the ending, and not to show it
FIELD = "system.admin_password"

# Seconds; it takes a tenth of one, and the whole unit has 120. Whoever asks for a password must not stay without one
# because a card is slow.
TIMEOUT = 90

Auth = Callable[[str, str], None]  # action, what it reads; raises InvalidFieldError


def auth_command(web: Path) -> Auth:
    """The web interface's own command, at its state in ``web``."""

    def run(action: str, text: str) -> None:
        command = [sys.executable, "-sP", "-m", "app", "auth", action, "--state-dir", str(web)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["it failed"]
            raise InvalidFieldError(f"{FIELD}: {lines[-1].removeprefix('auth: ')}", field=FIELD)

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
    except (OSError, subprocess.SubprocessError) as error:
        return [f"{RESET[0]}: {type(error).__name__}"]
    print("the admin password was removed, as asked for on the boot partition")
    return []
