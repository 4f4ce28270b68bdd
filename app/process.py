"""The runner of external programs: the only module of the app that starts any.

A program has a time limit and a process group of its own. Where it does not finish in time, and where the task that
waits for it is cancelled, the whole group is killed. The program gets a search path and the C locale, and nothing else
of the app's environment unless its caller passes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import aiofiles
from msgspec import Struct

from app.errors import KernelError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where the app has no PATH itself
_REAP_TIMEOUT = 5.0  # seconds for a killed program to end; one that waits for a dead disk may never end
_CHUNK = 65536
_MAX_STDERR = 500  # characters of a program's error output in an error

_NOTHING = asyncio.subprocess.DEVNULL
_PIPE = asyncio.subprocess.PIPE


class ProcessError(KernelError):
    """A program failed."""


class NotStartedError(ProcessError):
    """The program is not installed or not executable."""

    def __init__(self, program: str, cause: OSError) -> None:
        self.reason = cause.strerror or str(cause)
        self.missing = isinstance(cause, FileNotFoundError)
        super().__init__(f"{program} cannot be run: {self.reason}")


class NotFinishedError(ProcessError):
    """The program exceeded its time limit and was killed."""

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} did not finish")


class FailedError(ProcessError):
    """The program ended with a status other than 0; a negative one is the number of the signal that ended it."""

    def __init__(self, program: str, status: int, stderr: str) -> None:
        self.status = status
        self.stderr = stderr.strip()
        super().__init__(f"{program} failed: {self.stderr[-_MAX_STDERR:] or f'exit status {status}'}")


class Finished(Struct, frozen=True):
    status: int
    stdout: bytes
    stderr: str


async def run(
    *command: str,
    timeout: float,
    feed: str = "",
    check: bool = True,
    cwd: Path | None = None,
    user: int | None = None,
    environment: Mapping[str, str] = {},
    meanwhile: Callable[[], object] = lambda: None,
) -> Finished:
    """Run a program to its end, with ``feed`` as its standard input and ``environment`` added to the standard one.

    ``meanwhile`` is called once the program runs and has all of its input: what else there is to do, for no longer than
    the event loop can do without its other tasks.

    Raises NotStartedError, NotFinishedError and, unless ``check`` is off, FailedError.
    """
    with _input(feed) as stdin:
        async with _started(
            command, timeout, stdin=stdin, stdout=_PIPE, stderr=_PIPE, cwd=cwd, user=user, environment=environment
        ) as process:
            meanwhile()
            out, err = await process.communicate()
    finished = Finished(_status(process), out, err.decode(errors="replace"))
    if check and finished.status != 0:
        raise FailedError(command[0], finished.status, finished.stderr)
    return finished


async def transcript(*command: str, timeout: float, limit: int) -> tuple[int, bytes]:
    """Run a program; return its status and its output on both streams. Beyond ``limit`` bytes it is killed.

    Raises NotStartedError, NotFinishedError.
    """
    output = b""
    async with _started(command, timeout, stdout=_PIPE, stderr=asyncio.subprocess.STDOUT) as process:
        assert process.stdout is not None
        while len(output) < limit and (more := await process.stdout.read(_CHUNK)):
            output += more
        if len(output) < limit:
            await process.wait()
    return _status(process), output[:limit]


async def spawn(*command: str, timeout: float, log: Path | None = None) -> None:
    """Start a daemon: a program that goes into the background once it is ready, and outlives the app.

    Its output goes to ``log``, a file and not a pipe, because a daemon may keep its outputs open. Raises
    NotStartedError, NotFinishedError (it did not go into the background), FailedError.
    """
    async with aiofiles.open(log if log is not None else os.memfd_create("log"), "w+b") as output:
        both: int = output.fileno()
        async with _started(command, timeout, stdout=both, stderr=both, cwd=Path("/")) as process:
            await process.wait()
        if process.returncode != 0:
            await _end(process)
            await output.seek(0)
            raise FailedError(command[0], _status(process), (await output.read()).decode(errors="replace"))


@contextlib.contextmanager
def _input(feed: str) -> Generator[int]:
    """A file in memory with ``feed``, at its beginning: no pipe, which would be filled again whenever it is empty."""
    if not feed:
        yield _NOTHING
        return
    with os.fdopen(os.memfd_create("input"), "wb", buffering=0) as file:
        remaining = memoryview(feed.encode())
        while remaining:
            remaining = remaining[file.write(remaining) :]
        file.seek(0)
        yield file.fileno()


# --- the process -----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _started(
    command: tuple[str, ...],
    timeout: float,
    *,
    stdin: int = _NOTHING,
    stdout: int,
    stderr: int,
    cwd: Path | None = None,
    user: int | None = None,
    environment: Mapping[str, str] = {},
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A context with the running program, which has ended when the context is left."""
    options: dict[str, Any] = {} if user is None else {"user": user}
    start = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            cwd=cwd,
            env={"PATH": os.environ.get("PATH", _PATH), "LC_ALL": "C.UTF-8", **environment},
            **options,
        )
    )
    try:
        process = await asyncio.shield(start)
    except asyncio.CancelledError:
        # The program may run already, and asyncio would kill it alone, without its children.
        with contextlib.suppress(OSError):
            await _end(await start)
        raise
    except OSError as error:
        raise NotStartedError(command[0], error) from None
    try:
        async with asyncio.timeout(timeout):
            yield process
    except TimeoutError:
        await _end(process)
        raise NotFinishedError(command[0]) from None
    except BaseException:
        await _end(process)
        raise
    if process.returncode is None:  # its output exceeded the limit
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the group, also where its leader has ended; then reap the leader."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REAP_TIMEOUT):
            await process.wait()


def _status(process: asyncio.subprocess.Process) -> int:
    return -signal.SIGKILL if process.returncode is None else process.returncode
