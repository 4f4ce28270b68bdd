"""The web framework without the parts that the gateway never uses: 5 MB, and a fifth of the time to load it.

A stand-in has the names that the framework imports from such a part. What it lacks fails where it is imported, so a new
version that wants more is noticed by every test that starts the process. :func:`install` comes before the first import
of the framework; tests of single parts use it whole.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Unused:
    """Stands for a class: it can be subclassed and, since modules do that while they are loaded, instantiated."""

    def __init__(self, *_: object, **__: object) -> None:
        self.name: str | None = None
        self.commands: dict[str, object] = {}


def _not_there(*_: object, **__: object) -> Any:
    raise NotImplementedError("this part of the framework is not loaded: see app.web.lean")


def _names(classes: str = "", functions: str = "") -> dict[str, Any]:
    return {**dict.fromkeys(classes.split(), Unused), **dict.fromkeys(functions.split(), _not_there)}


STAND_INS: Mapping[str, Mapping[str, object]] = {
    # No template is rendered.
    "jinja2": _names("BaseLoader Environment FileSystemLoader Template TemplateNotFound"),
    "jinja2.loaders": _names("BaseLoader"),
    # No command line of the framework's, no client for tests, no server for developers.
    "click": {},
    "flask.cli": {},
    "quart.cli": _names("AppGroup"),
    "quart.testing": _names(
        "QuartClient QuartCliRunner TestApp",
        "make_test_body_with_headers make_test_headers_path_and_query_string make_test_scope no_op_push sentinel",
    ),
    "werkzeug.serving": _names(functions="is_running_from_reloader"),
    # HTTP/2 is not offered (app.web.http1).
    "h2.events": {},
    "hypercorn.protocol.h2": _names("H2Protocol"),
}
BARE = ("flask", "werkzeug")  # packages whose own __init__ imports all of them


class _Finder:
    """Finds the stand-ins, and the bare packages with their real modules."""

    def find_spec(self, name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> ModuleSpec | None:
        if name not in STAND_INS and name not in BARE:
            return None
        loader: Any = self
        spec = ModuleSpec(name, loader, is_package=True)
        if name in BARE and (found := PathFinder.find_spec(name, path)) is not None:
            spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def create_module(self, _: ModuleSpec) -> None:
        """Python's own kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(STAND_INS.get(module.__name__, {}))


def install() -> None:
    """Have the stand-ins found, before any module that imports the framework."""
    sys.meta_path.insert(0, _Finder())
