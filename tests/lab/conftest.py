"""A lab for the tests: the real gateway, real clients, real servers, in namespaces that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ci.labnet import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab(f"test{os.getpid()}")
    try:
        yield lab.up()
    finally:
        lab.down()
