"""A pytest plugin that reports the begin and outcome of each test to the suite, over the suite's pipe."""

from __future__ import annotations

import json
import os
from typing import TextIO

import pytest

LANE = "VPN_GATEWAY_IMAGE_LANE"  # its name, for tests that need names of their own
PIPE = "VPN_GATEWAY_PROGRESS_FD"  # environment: the number of the pipe's file descriptor


class Progress:
    def __init__(self, pipe: TextIO) -> None:
        self._pipe = pipe
        self._outcome, self._reason = "passed", ""
        self._seconds = 0.0

    def _say(self, **what: object) -> None:
        self._pipe.write(json.dumps(what) + "\n")
        self._pipe.flush()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._outcome, self._reason, self._seconds = "passed", "", 0.0
        self._say(begins=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the three reports of a test (set-up, call, tear-down); its outcome is the worst of them."""
        self._seconds += report.duration
        if report.outcome != "passed" and self._outcome != "failed":
            self._outcome = report.outcome
            crash = getattr(report.longrepr, "reprcrash", None)
            self._reason = crash.message.partition("\n")[0] if crash is not None else ""

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._say(ended=nodeid, outcome=self._outcome, reason=self._reason, seconds=round(self._seconds, 1))


def pytest_configure(config: pytest.Config) -> None:
    if number := os.environ.get(PIPE):
        config.pluginmanager.register(Progress(os.fdopen(int(number), "w")))
