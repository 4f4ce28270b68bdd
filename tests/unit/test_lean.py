"""netd works without the parts of libraries that it is loaded without; web's are in tests/unit/api/test_process.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app import lean
from app.lean import Lean

LEAN = {"netd": lean.NETD, "web": lean.WEB}
NETD = """
import asyncio, os, subprocess, sys, tempfile

def refused(*_, **__):
    raise AssertionError("a program is run while netd is loaded")

subprocess.Popen.__init__ = os.posix_spawn = os.system = refused
from app import lean
lean.install(lean.NETD)
import app.netd.main
import asyncinotify, dns.name

async def watch():
    with tempfile.TemporaryDirectory() as directory, asyncinotify.Inotify() as inotify:
        inotify.add_watch(directory, asyncinotify.Mask.CREATE)
        open(directory + "/new", "w").close()
        async with asyncio.timeout(10):
            assert str((await anext(aiter(inotify))).name) == "new"

asyncio.run(watch())
assert dns.name.from_text("b\\u00fccher.example").to_text() == "xn--bcher-kva.example."
assert "idna" not in sys.modules
"""


def run(script: str, *arguments: str) -> str:
    """What the script prints in a process of its own."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_netd_is_loaded_without_running_a_program() -> None:
    run(NETD)


# What is whole was loaded because something asked for more than the stand-in has.
LOADED = """
import importlib, sys
from app import lean
process = sys.argv[1]
found = getattr(lean, process.upper())
lean.install(found)
importlib.import_module(f"app.{process}.main")
modules = [sys.modules[name] for name in found.later if name in sys.modules]
print(*(module.__name__ for module in modules if not isinstance(module.__loader__, lean._Loader)))
print(*sys.modules)
"""
NEVER = {
    "netd": {"cryptography", "email.utils", "importlib.metadata", "_pickle", "zipfile"},
    "web": {"_ssl", "cryptography", "http.client", "importlib.metadata", "wrapt", "_pickle", "zipfile"},
}
USED: dict[str, set[str]] = {"netd": set(), "web": {"ast"}}  # werkzeug makes its routes' programs with ast


@pytest.mark.parametrize("process", ["netd", "web"])
def test_what_is_to_be_loaded_later_is_not_loaded(process: str) -> None:
    whole, loaded = run(LOADED, process).splitlines()
    assert set(whole.split()) <= USED[process]
    assert not set(loaded.split()) & NEVER[process]


WHOLE = """
import importlib, sys
from app import lean
name = sys.argv[2]
real = {n: type(v).__name__ for n, v in vars(importlib.import_module(name)).items() if not n.startswith("__")}
for loaded in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
    del sys.modules[loaded]
found = getattr(lean, sys.argv[1].upper())
lean.install(found)
module = importlib.import_module(name)
names = set(found.later[name])
assert names <= real.keys(), f"it has no {names - real.keys()}"
assert isinstance(module.__loader__, lean._Loader) and not hasattr(module, "no_such_name_at_all")
assert module.__spec__.loader is module.__loader__ and not isinstance(module.__loader__, lean._Loader)
lost = {n for n in real if not n.startswith("_")} - vars(module).keys()
assert not lost, lost
for n in names - {"NodeVisitor"}:
    assert type(vars(module)[n]).__name__ == real[n], n
"""


@pytest.mark.parametrize(
    ("process", "name"), [(process, name) for process, found in LEAN.items() for name in found.later]
)
def test_a_stand_in_becomes_the_whole_module(process: str, name: str) -> None:
    run(WHOLE, process, name)


THREADS = """
import sys, threading
from app import lean
lean.install(lean.Lean(unused={}, later={"difflib": {"SequenceMatcher": lean.Unused}}))
import difflib
assert difflib.SequenceMatcher is lean.Unused
assert not hasattr(difflib, "__warningregistry__") and difflib.SequenceMatcher is lean.Unused  # Python looks for such
start, found = threading.Barrier(8), []

def ask():
    start.wait()
    found.append(difflib.unified_diff)

threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(found) == 8 and len(set(found)) == 1
assert difflib.get_close_matches("appel", ["apple"]) == ["apple"] and difflib.SequenceMatcher is not lean.Unused
from difflib import *
assert Differ is difflib.Differ
"""


def test_many_threads_may_ask_a_stand_in_at_once() -> None:
    run(THREADS)


PYTHON = """
import sys
from app import lean
lean.install(lean.WEB)
import asyncio, logging, multiprocessing, traceback, zoneinfo
assert logging.LogRecord("a", 20, "b", 1, "c", (), None).processName == "MainProcess"
assert zoneinfo.ZoneInfo("Europe/Zurich").key == "Europe/Zurich"
assert isinstance(multiprocessing.__loader__, lean._Loader)
try:
    zoneinfo.ZoneInfo("No/Place")
except LookupError:
    assert "No/Place" in traceback.format_exc()

async def program():
    process = await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.DEVNULL)
    return await process.wait()

assert asyncio.run(program()) == 0
assert multiprocessing.cpu_count() > 0
"""


def test_python_works_around_its_stand_ins() -> None:
    run(PYTHON)


def test_what_is_never_used_fails_where_it_is_used() -> None:
    found: Lean = lean.WEB
    with pytest.raises(NotImplementedError, match=r"app\.lean"):
        found.unused["werkzeug.serving"]["is_running_from_reloader"]()  # type: ignore[operator]
