"""A lab for the tests: the real gateway, real clients, real servers, in namespaces that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ci.labnet import Lab


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A gateway without a password; for a module with the mark ``owned`` with one, and ``lab.api`` has an API key."""
    lab = Lab(f"test{os.getpid()}")
    lab.gateway.owned = request.node.get_closest_marker("owned") is not None
    try:
        yield lab.up()
    finally:
        lab.down()
