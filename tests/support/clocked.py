"""A dnsmasq whose clock a file sets (libfaketime): the app gives its programs a search path and little else."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path


def faketime(clock: Path) -> dict[str, str]:
    """The environment in which a program reads the clock that the file ``clock`` says; a monotonic one stays."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def clocked_dnsmasq(directory: Path, clock: Path) -> str:
    """A search path on which dnsmasq is one with that clock."""
    real = shutil.which("dnsmasq")
    assert real is not None
    program = directory / "dnsmasq"
    directory.mkdir()
    variables = shlex.join(f"{name}={value}" for name, value in faketime(clock).items())
    program.write_text(f'#!/bin/sh\nexec env {variables} {real} "$@"\n')
    program.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"
