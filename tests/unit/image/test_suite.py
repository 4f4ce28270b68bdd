"""A red image test ends red: whatever goes wrong in a lane, the target says which test and fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from image.qemu import suite, table
from image.qemu.suite import Lane, Outcome

ROOT = Path(__file__).parents[3]


def run(tmp_path: Path, *lanes: tuple[str, str], limit: float = 60) -> list[Outcome]:
    """Run each lane (name, source of its tests) in one stage."""
    made: list[Lane] = []
    for name, source in lanes:
        file = tmp_path / f"test_{name}.py"
        file.write_text(source)
        made.append(Lane(name, limit, (str(file),)))
    return suite.run([made], tmp_path, ("--rootdir", str(tmp_path), "-p", "no:cacheprovider"))


def test_a_lane_whose_tests_pass_has_no_fault(tmp_path: Path) -> None:
    (outcome,) = run(tmp_path, ("good", "def test_one(): pass\ndef test_two(): pass"))
    assert (outcome.passed, outcome.faults) == (2, [])
    assert suite.report([outcome], tmp_path)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def test_it(): assert False, 'lost'", "failed: test_bad.py::test_it: AssertionError: lost"),
        (
            "import pytest\n@pytest.fixture\ndef broken(): yield; raise OSError('no')\ndef test_it(broken): pass",
            "failed: test_bad.py::test_it: OSError: no",
        ),
        ("import pytest\ndef test_it(): pytest.skip('no tool')", "skipped: test_bad.py::test_it"),
        ("import os\ndef test_it(): os._exit(0)", "pytest ended (status 0) while this ran: test_bad.py::test_it"),
        ("nothing = True", "pytest ended with status 5"),
        ("import does_not_exist", "pytest ended with status 2"),
    ],
)
def test_a_fault_is_named_and_the_lane_beside_it_goes_on(tmp_path: Path, source: str, fault: str) -> None:
    good, bad = run(tmp_path, ("good", "def test_one(): pass"), ("bad", source))
    assert (good.passed, good.faults) == (1, [])
    assert bad.faults == [fault]
    assert not suite.report([good, bad], tmp_path)


def test_the_test_that_a_limit_stopped_is_named_and_its_fixtures_are_taken_down(tmp_path: Path) -> None:
    source = f"""
import pathlib, pytest, threading
@pytest.fixture
def machine():
    yield
    pathlib.Path({str(tmp_path)!r}, "down").touch()
def test_quick(): pass
def test_hangs(machine): threading.Event().wait()
"""
    (quick,) = run(tmp_path, ("quick", "def test_one(): pass"))
    limit = 2 + round(2 * quick.seconds)  # pytest's own start takes longer on a busy machine
    (outcome,) = run(tmp_path, ("slow", source), limit=limit)
    assert outcome.passed == 1
    assert outcome.faults[-1] == f"stopped after {limit} s, while this ran: test_slow.py::test_hangs"
    assert (tmp_path / "down").exists()
    assert not suite.report([outcome], tmp_path)


def test_a_limit_that_was_missed_shows_in_the_table(tmp_path: Path) -> None:
    image = tmp_path / "gateway.img"
    for file in (image, image.with_suffix(".img.xz")):
        file.write_bytes(b"")
    line = '{"name": "%s", "value": %d, "unit": "MB", "limit": 160}\n'
    (tmp_path / "measured.jsonl").write_text(line % ("small", 148) + line % ("large", 161))
    shown = table.lines(image, tmp_path)
    assert [entry.split()[0] for entry in shown if "MISSED" in entry] == ["large"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose image is empty, whose builder does nothing and whose image tests all pass."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    shutil.copytree(ROOT / "image", clone / "image")
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / "ci").mkdir()
    for stub in ("ci/setup", "image/build"):
        (clone / stub).write_text("#!/bin/sh\n")
        (clone / stub).chmod(0o755)
    (clone / "build").mkdir()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for ending in (".img", ".img.xz"):
        (clone / "build" / f"vpn-gateway-{version}-arm64{ending}").touch()
    for lane in (lane for stage in suite.STAGES + suite.MORE for lane in stage):
        for path in lane.tests:
            file = clone / path if path.endswith(".py") else clone / path / "test_root.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("def test_it(): pass\n")
    return clone


def make_image_test(clone: Path, target: str = "image-test") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", target], cwd=clone, capture_output=True, text=True, check=False, timeout=120)


def test_the_target_passes_where_every_test_passes(clone: Path) -> None:
    done = make_image_test(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list((clone / "build" / "image-test").glob("*.qcow2"))


@pytest.mark.parametrize("broken", ["tests/e2e/test_power_cuts.py", "tests/e2e/test_boot_time.py", "image/build"])
def test_the_target_fails_where_one_of_its_parts_does(clone: Path, broken: str) -> None:
    (clone / broken).write_text("#!/bin/sh\nexit 1\n" if broken == "image/build" else "def test_it(): assert False\n")
    done = make_image_test(clone)
    assert done.returncode != 0
    if broken != "image/build":
        assert f"failed: {broken}::test_it" in done.stdout
        assert "the image did not pass" in done.stderr


def test_the_longer_tests_have_a_target_of_their_own(clone: Path) -> None:
    done = make_image_test(clone, "image-test-more")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "uplinks" in done.stdout
    assert "machine" not in done.stdout
    (clone / "tests/e2e/test_wifi.py").write_text("def test_it(): assert False\n")
    done = make_image_test(clone, "image-test-more")
    assert done.returncode != 0
    assert "failed: tests/e2e/test_wifi.py::test_it" in done.stdout


def test_each_test_of_the_booted_image_is_in_one_lane() -> None:
    paths = [path for stage in suite.STAGES + suite.MORE for lane in stage for path in lane.tests]
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "tests/e2e").glob("test_*.py")}
    assert sorted(paths) == sorted({"tests/image", *there})
