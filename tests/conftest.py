"""What holds for every test, however the suite was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.labnet.signals import restore_interrupt
from tests.support import declared

BOOTED = (Path(__file__).parent / "image", Path(__file__).parent / "e2e")

restore_interrupt()  # or what tests start would ignore SIGINT where the suite does, as in the background of a shell


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    booted = any(item.path.is_relative_to(directory) for directory in BOOTED)
    declared.only(declared.IMAGE if booted else declared.QUICK)
