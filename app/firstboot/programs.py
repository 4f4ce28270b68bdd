"""The synchronous runner of programs for the steps of firstboot.

The rest of the app uses :mod:`app.process`. The step before the network has no concurrent work, and the start waits for
it: it avoids asyncio, which takes as long to load as all of the step's own modules.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT = 30.0  # seconds; a program that hangs must not use up the unit's own limit


class ProgramError(Exception):
    """A program could not be run, failed, or took too long. The message never contains the program's input."""

    def __init__(self, program: str, problem: str, stderr: str = "", status: int | None = None) -> None:
        self.stderr = stderr.strip()
        self.status = status  # None where the program did not end by itself
        super().__init__(f"{program} {problem}")


def run(
    *command: str, text: str = "", timeout: float = TIMEOUT, user: str | None = None, group: str | None = None
) -> None:
    """Run ``command`` with ``text`` as its input, as ``user`` and ``group`` alone where they are given.

    Raises ProgramError.
    """
    program = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            input=text,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            umask=-1 if user is None else 0o077,
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(program, f"did not finish within {timeout:.0f} s") from None
    except OSError as error:
        raise ProgramError(program, f"cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ProgramError(program, f"failed: {lines[-1]}", done.stderr, done.returncode)
