"""The table of programs and its users: a missing program is named, and fails the commands that need it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ci.labnet import Lab, LabError
from tests.support.declared import UndeclaredProgramError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A directory with every program of this machine, to be the whole PATH: a test may take one away."""
    made = tmp_path / "bin"
    made.mkdir()
    for directory in os.environ["PATH"].split(":"):
        for program in Path(directory).glob("*"):
            link = made / program.name
            if not link.is_symlink():
                link.symlink_to(program)
    return made


def check(target: str, path: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(path), "HOME": os.environ["HOME"]}
    return subprocess.run([ROOT / "ci" / "check", target], env=env, capture_output=True, text=True, check=False)


def test_all_programs_are_installed(path: Path) -> None:
    done = check("test", path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("target", "program", "package"),
    [("run", "udhcpc", "udhcpc"), ("run", "kill", "procps"), ("test", "conntrack", "conntrack")],
)
def test_a_missing_program_is_named(path: Path, target: str, program: str, package: str) -> None:
    (path / program).unlink()
    done = check(target, path)
    assert done.returncode == 1
    assert done.stderr == f"check: {program} is missing (package: {package})\n"


def test_a_program_that_is_but_a_pointer_elsewhere_is_named(path: Path) -> None:
    (path / "curl").unlink()
    (path / "curl").write_text("#!/bin/sh\necho 'get it from the other shop' >&2\nexit 1\n")
    (path / "curl").chmod(0o755)
    done = check("run", path)
    assert done.returncode == 1
    assert done.stderr == "check: curl --version ends with status 1: get it from the other shop\n"


def test_unknown_target_is_refused(path: Path) -> None:
    done = check("tests", path)
    assert done.returncode == 1
    assert "there is no target tests" in done.stderr


def test_the_lab_does_not_start_without_its_programs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(path))
    Lab.check()
    (path / "tcpdump").unlink()
    with pytest.raises(LabError, match="not on this machine: tcpdump;"):
        Lab.check()


@pytest.mark.parametrize(
    "command",
    [
        ["perl", "-v"],
        "perl",
        ["nsenter", "--net", "--", "perl"],
        ["ip", "netns", "exec", "none", "perl"],
        ["socat", "-V"],
    ],
)
def test_program_missing_in_the_table_cannot_be_called(command: list[str] | str) -> None:
    """Not even where it is installed; socat is, for the tests of the image alone."""
    with pytest.raises(UndeclaredProgramError, match=r"(perl|socat) is of no package"):
        subprocess.run(command, check=False)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_python_gets_the_same_packages(lock: str) -> None:
    """The image has another Python, and must get the packages that were tested on this one."""
    wanted = [Requirement(line.rstrip(" \\")) for line in (ROOT / lock).read_text().splitlines() if line[:1].isalnum()]
    assert len(wanted) > 20
    picked: dict[str, set[str]] = {}
    for python in ("3.11", "3.12", "3.13"):
        machine = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        for one in wanted:
            if one.marker is None or one.marker.evaluate({**machine, "implementation_name": "cpython"}):
                picked.setdefault(one.name, set()).add(f"{one.specifier} on {python}")
    several = {name: versions for name, versions in picked.items() if len({v.split()[0] for v in versions}) > 1}
    assert several == {}


# --- where packages come from ----------------------------------------------------------------------------------------

MIRRORS = {
    "DEBIAN_MIRROR": "http://mirror.test/debian",
    "DEBIAN_SECURITY": "http://mirror.test/debian-security",
    "UBUNTU_MIRROR": "http://mirror.test/ubuntu",
}


def sources(path: Path, *arguments: str, **mirrors: str) -> subprocess.CompletedProcess[str]:
    """``image/debian/sources`` on a machine whose apt knows nothing."""
    (path / "apt-get").unlink(missing_ok=True)
    (path / "apt-get").symlink_to(path / "true")
    command = [ROOT / "image" / "debian" / "sources", *arguments]
    return subprocess.run(command, env={"PATH": str(path), **mirrors}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("arm64",), ["trixie trixie-updates trixie-backports", "trixie-security"]),
        (("amd64", "bookworm"), ["bookworm bookworm-updates", "bookworm-security"]),
        (("amd64", "noble"), ["noble noble-updates noble-security"]),
    ],
)
def test_sources_are_those_of_the_release_that_is_asked_for(
    path: Path, arguments: tuple[str, ...], wanted: list[str]
) -> None:
    lines = sources(path, *arguments, **MIRRORS).stdout.splitlines()
    assert [line.removeprefix("Suites: ") for line in lines if line.startswith("Suites: ")] == wanted
    assert {line for line in lines if line.startswith("Arch")} == {f"Architectures: {arguments[0]}"}
    assert {line.split("/")[2] for line in lines if line.startswith("URIs: ")} == {"mirror.test"}


@pytest.mark.parametrize(("codename", "variable"), [("noble", "UBUNTU_MIRROR"), ("trixie", "DEBIAN_MIRROR")])
def test_unknown_mirror_is_asked_for(path: Path, codename: str, variable: str) -> None:
    """By a status of its own: ci/fresh passes over a distribution for no other reason."""
    done = sources(path, "amd64", codename)
    assert (done.returncode, done.stdout) == (3, "")
    assert variable in done.stderr


# --- long commands ---------------------------------------------------------------------------------------------------


def quietly(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Bash with ci/lib.sh; the time limit also ends what would hold the output open."""
    text = f"source {ROOT}/ci/lib.sh\n{script}\necho went on\n"
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run([bash, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def test_successful_command_is_quiet(tmp_path: Path) -> None:
    done = quietly(tmp_path, "quietly 'a thing' sh -c 'echo noise; echo more noise >&2'")
    assert done.returncode == 0
    assert done.stdout == "went on\n"
    assert done.stderr.startswith("==> a thing\n")
    assert "noise" not in done.stderr


def test_failed_command_is_shown_and_ends_the_run(tmp_path: Path) -> None:
    """The command is a function here: bash lets one go on after a failure where it is called in a condition."""
    done = quietly(tmp_path, "work() { echo before; false; touch after; }\nquietly 'a thing' work")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "before" in done.stderr
    assert "this failed, with status 1: a thing" in done.stderr
    assert not (tmp_path / "after").exists()


def test_slow_command_shows_its_progress(tmp_path: Path) -> None:
    """It waits until it has been heard of, and is seen by its last line that is no warning."""
    script = """
        BEAT=0.1
        work() { echo 'item 7'; echo 'WARNING: of no interest'; until grep -q 'item 7' said; do :; done; }
        quietly 'a thing' work 2> >(tee said >&2)
    """
    (tmp_path / "said").touch()
    done = quietly(tmp_path, script)
    assert done.returncode == 0
    assert re.search(r"\d+ s: item 7\n", done.stderr)
    assert "WARNING" not in done.stderr
