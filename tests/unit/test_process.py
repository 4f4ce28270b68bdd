"""The runner of external programs: time limit, killed process groups, error output."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app import process
from app.errors import KernelError
from app.process import FailedError, NotFinishedError, NotStartedError, run, spawn, transcript

ROOT = Path(__file__).parents[2]

# Leaves the numbers of itself and of a child in a file, then hangs; the child would go on without it.
FAMILY = 'sleep 60 & echo "$$ $!" >family.new; mv family.new family; wait'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def family(folder: Path) -> list[int]:
    async with asyncio.timeout(30):
        while not (folder / "family").exists():
            await asyncio.sleep(0.005)
    return [int(word) for word in (folder / "family").read_text().split()]


async def end(pids: list[int]) -> None:
    """Returns once none of them runs; a zombie is one that its parent, which is not us, has yet to reap."""
    async with asyncio.timeout(30):
        while any(running(pid) for pid in pids):
            await asyncio.sleep(0.005)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_output_and_status_of_a_program_with_input():
    done = await run("sh", "-c", "cat; echo problem >&2", timeout=30, feed="text")
    assert (done.status, done.stdout, done.stderr) == (0, b"text", "problem\n")


async def test_program_that_reads_no_input_succeeds():
    assert (await run("true", timeout=30, feed="x" * 1_000_000)).status == 0


async def test_failure_has_the_programs_error_output():
    with pytest.raises(FailedError, match=r"^sh failed: no such thing$") as failed:
        await run("sh", "-c", "echo no such thing >&2; exit 3", timeout=30)
    assert failed.value.status == 3
    with pytest.raises(FailedError, match=r"^sh failed: exit status 1$"):
        await run("sh", "-c", "exit 1", timeout=30)
    assert (await run("sh", "-c", "exit 1", timeout=30, check=False)).status == 1


async def test_program_that_cannot_be_run_raises_not_started(tmp_path):
    (tmp_path / "text").write_text("not a program")
    for start in (
        lambda p: run(p, timeout=30),
        lambda p: spawn(p, timeout=30),
        lambda p: transcript(p, timeout=30, limit=9),
    ):
        with pytest.raises(NotStartedError, match="cannot be run: No such file or directory") as missing:
            await start("/does/not/exist")
        assert missing.value.missing
        with pytest.raises(NotStartedError, match="cannot be run: Permission denied") as refused:
            await start(str(tmp_path / "text"))
        assert not refused.value.missing
    assert issubclass(NotStartedError, KernelError), (
        "who starts programs for the kernel's sake need not know of this one"
    )


STARTS = {
    "run": lambda limit: run("sh", "-c", FAMILY, timeout=limit),
    "transcript": lambda limit: transcript("sh", "-c", FAMILY, timeout=limit, limit=1000),
    "spawn": lambda limit: spawn("sh", "-c", f"cd {Path.cwd()}; {FAMILY}", timeout=limit),
}


@pytest.mark.parametrize("start", STARTS)
async def test_a_time_out_kills_the_whole_group(here, start):
    for limit in (1, 4, 16, 64):  # until the machine is fast enough for the child to be there by then
        with pytest.raises(NotFinishedError, match=r"^sh did not finish$"):
            await STARTS[start](limit)
        if (here / "family").exists():
            break
    pids = await family(here)
    assert not os.path.exists(f"/proc/{pids[0]}"), "no zombie is left"
    await end(pids)


@pytest.mark.parametrize("start", STARTS)
async def test_a_cancellation_kills_the_whole_group(here, start):
    waiting = asyncio.create_task(STARTS[start](60))
    pids = await family(here)
    assert all(running(pid) for pid in pids)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not os.path.exists(f"/proc/{pids[0]}"), "no zombie is left"
    await end(pids)


@pytest.mark.parametrize("start", STARTS)
async def test_a_cancellation_during_the_start_kills_the_group(here, start, monkeypatch):
    """The program may be at work, with children, before the app has the pipes to it."""
    create = asyncio.create_subprocess_exec

    async def cancelled_meanwhile(*command, **options):
        started = await create(*command, **options)
        await family(here)
        asyncio.get_running_loop().call_soon(waiting.cancel)
        await asyncio.sleep(0.05)
        return started

    monkeypatch.setattr(asyncio, "create_subprocess_exec", cancelled_meanwhile)
    waiting = asyncio.create_task(STARTS[start](60))
    with pytest.raises(asyncio.CancelledError):
        await waiting
    pids = await family(here)
    assert not os.path.exists(f"/proc/{pids[0]}"), "no zombie is left"
    await end(pids)


async def test_the_environment_of_the_app_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("SECRET", "of ours")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    told = (await run(shutil.which("env") or "", timeout=30)).stdout.decode().splitlines()
    assert sorted(told) == ["LC_ALL=C.UTF-8", f"PATH={os.environ['PATH']}"]


async def test_a_transcript_has_both_outputs_and_is_cut():
    status, said = await transcript("sh", "-c", "echo one; echo two >&2; exit 4", timeout=30, limit=1000)
    assert (status, said) == (4, b"one\ntwo\n")
    status, said = await transcript("sh", "-c", "while :; do echo more; done", timeout=30, limit=1000)
    assert (status, len(said)) == (-9, 1000)


async def test_a_program_in_the_background_outlives_its_start(here):
    log = here / "log"
    await spawn(
        "sh",
        "-c",
        f"cd {here}; echo begun; ({FAMILY}) & until test -e family; do sleep 0.01; done",
        timeout=30,
        log=log,
    )
    pids = await family(here)
    try:
        assert running(pids[1])
        assert os.getsid(pids[1]) != os.getsid(0)
        assert log.read_text() == "begun\n"
    finally:
        os.kill(pids[1], 9)


async def test_failed_start_into_the_background_says_why(here):
    """A program that does not get into the background says why."""
    for log in (None, here / "log"):
        with pytest.raises(FailedError) as failed:
            await spawn("sh", "-c", "echo bad option; exit 2", timeout=30, log=log)
        assert (failed.value.status, failed.value.stderr) == (2, "bad option")


async def test_failed_start_kills_its_background_processes(here):
    with pytest.raises(FailedError):
        await spawn(
            "sh", "-c", f"cd {here}; ({FAMILY}) & until test -e family; do sleep 0.01; done; exit 1", timeout=30
        )
    await end(await family(here))


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess\n\nsubprocess.run([])\n",
        "from subprocess import Popen\n\nPopen([])\n",
        "import asyncio\n\nasyncio.create_subprocess_exec()\n",
        "import os\n\nos.system(b'')\n",
    ],
)
def test_no_other_module_of_the_app_may_start_programs(code: str) -> None:
    def complaints(name: str) -> str:
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--select",
            "TID251",
            "--no-cache",
            "--stdin-filename",
            name,
            "-",
        ]
        return subprocess.run(command, input=code, cwd=ROOT, capture_output=True, text=True, check=False).stdout

    assert "app.process starts the programs of the app" in complaints("app/network/example.py")
    assert "TID251" not in complaints(Path(process.__file__).relative_to(ROOT).as_posix())
