"""Thousands of requests made from the API's own description: no answer is a bug, and every answer is as described."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import conformance
from tests.support.web_server import WebServer

pytestmark = pytest.mark.timeout(280)

SEED = 1  # so that a failure can be had again
EXAMPLES = 130  # generated for each operation, besides those that follow from the limits of its fields
CASES = 2000
# No request made from a description can know these:
NEVER_ACCEPTED = {"GET /ws"}  # speaks WebSocket only


def test_the_whole_api(server: WebServer, tmp_path: Path) -> None:
    report = conformance.run(tmp_path, server.url, EXAMPLES, "--seed", str(SEED))
    assert report.returncode == 0, report.output
    assert report.server_errors() == {}
    assert report.cases >= CASES
    assert report.never_accepted() == NEVER_ACCEPTED
    print(f"{report.cases} cases, {len(report.statuses)} operations")
