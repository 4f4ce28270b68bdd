"""The targets of ``make``: each has commands, and ``make help`` lists it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILES = (ROOT / "Makefile", ROOT / "image" / "image.mk")


def phony() -> list[str]:
    lines = (line for path in MAKEFILES for line in path.read_text().splitlines())
    return [name for line in lines if line.startswith(".PHONY:") for name in line.split()[1:]]


def make(*arguments: str) -> str:
    # make itself says where it is when it was started by another make, as in ``make test``.
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_targets_of_the_documentation_are_there() -> None:
    assert set(phony()) >= {"run", "test", "lab", "browser", "bench", "image", "image-test", "flash", "fresh", "lock"}


@pytest.mark.parametrize("target", phony())
def test_a_phony_target_has_a_rule_with_commands(target: str) -> None:
    """Without one, make says nothing, does nothing and succeeds, for a phony target needs no rule."""
    rules = "\n".join(path.read_text() for path in MAKEFILES)
    assert re.search(rf"^{target}:.*\n\t\S", rules, re.MULTILINE)
    assert "Nothing to be done" not in make("--dry-run", target)


def test_help_lists_every_target() -> None:
    listed = [line.split(maxsplit=1) for line in make("help").splitlines()]
    assert sorted(name for name, _ in listed) == sorted(phony())
    assert all(text for _, text in listed)


@pytest.mark.parametrize("folder", ["unit", "kernel", "lab", "browser"])
def test_a_folder_of_tests_has_its_target(folder: str) -> None:
    assert re.search(rf"pytest tests/{folder} (?!tests/)", make("--dry-run", folder))
