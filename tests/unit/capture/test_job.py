"""The capturing process refuses what is no request or asks for too much, and loads little."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.capture.job import BadRequestError, Job

GOOD = {"taps": [{"interface": "nowhere0", "filter": "00" * 8}], "needles": [], "frames": [], "seconds": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"taps": []},
        {"taps": GOOD["taps"] * 49},
        {"taps": [{"interface": "lo", "filter": "00"}]},
        {"taps": [{"interface": "lo", "filter": ""}]},
        {"taps": [{"interface": "lo"}]},
        {"taps": "lo"},
        {"needles": ["00"]},
        {"needles": ["00" * 65]},
        {"needles": ["00000000"] * 129},
        {"needles": ["not hex!"]},
        {"frames": ["00" * 14]},
        {"frames": ["00" * 1515]},
        {"frames": ["00" * 60] * 65},
        {"seconds": 0},
        {"seconds": 15.1},
        {"seconds": "nan"},
        {"seconds": None},
        {"seconds": 10**400},
    ],
)
def test_a_request_beyond_the_limits_is_refused(change):
    with pytest.raises(BadRequestError):
        Job(json.dumps({**GOOD, **change}).encode())


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_what_is_no_request_is_refused(line):
    with pytest.raises(BadRequestError):
        Job(line)


def test_an_interface_that_is_not_there_is_told():
    job = Job(json.dumps(GOOD).encode())
    assert list(job.report()["taps"][0]) == ["error"]
    job.close()


def test_it_loads_the_standard_library_alone():
    script = "import sys, app.capture.main; print(*sorted(n for n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {n for n in loaded if n.startswith("app")} == {
        *("app", "app.capture", "app.capture.job", "app.capture.limits", "app.capture.main", "app.capture.tap")
    }
    assert loaded.isdisjoint({"asyncio", "pathlib", "msgspec", "ssl", "ctypes", "logging", "argparse"})
