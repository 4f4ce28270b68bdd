"""The runner of programs of firstboot: input, errors, time limit, user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from app.firstboot.programs import ProgramError, run


def test_program_gets_its_input(tmp_path: Path) -> None:
    run("tee", str(tmp_path / "copy"), text="one line\n")
    assert (tmp_path / "copy").read_text() == "one line\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", "echo first >&2; echo last >&2; exit 3"), "sh failed: last"),
        (("sh", "-c", "exit 3"), "sh failed: exit status 3"),
        (("/no/such/program",), "program cannot be run: No such file or directory"),
    ],
)
def test_failed_program_raises_with_its_reason(command: tuple[str, ...], message: str) -> None:
    with pytest.raises(ProgramError, match=f"^{message}$") as caught:
        run(*command, text="a secret")
    assert "secret" not in str(caught.value)


def test_program_that_hangs_is_killed() -> None:
    with pytest.raises(ProgramError, match=r"^sleep did not finish within 0 s$"):
        run("sleep", "60", timeout=0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_program_of_another_user_writes_private_files() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = Path(made)
        folder.chmod(0o777)
        run("sh", "-c", f"id -Gn > {folder}/who", user="nobody", group="nogroup")
        path = folder / "who"
        found = (path.owner(), oct(path.stat().st_mode & 0o777), path.read_text().strip())
    assert found == ("nobody", "0o600", "nogroup")
