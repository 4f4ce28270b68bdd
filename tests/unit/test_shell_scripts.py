"""`make lint` checks every shell script, and finds the ways in which one swallows a failure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("part() { false; true; }\npart || exit 1", "SC2310"),
        ("part() { false; true; }\nif part; then true; fi", "SC2310"),
        ('echo "$(false)"', "SC2312"),
        ("cat <(false)", "SC2312"),
        ("rm $1", "SC2086"),
    ],
)
def test_a_swallowed_failure_is_found(body: str, code: str) -> None:
    script = f"#!/bin/bash\nset -e\n{body}\n"
    done = subprocess.run(["shellcheck", "-"], cwd=ROOT, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert code in done.stdout


def test_every_script_is_looked_at() -> None:
    """The files that git tracks and that the system would run as a shell script."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    scripts: set[str] = set()
    for name in tracked.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            first = (ROOT / name).read_bytes()[:64].split(b"\n")[0]
            if (first.startswith(b"#!") and first.split()[0].endswith(b"sh")) or first.split()[-1:] == [b"bash"]:
                scripts.add(name)
    shown = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("shellcheck ")]
    assert scripts
    assert scripts <= set(line.split())
