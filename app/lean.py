"""Libraries without the parts that the gateway never uses, which cost a start time and the process memory.

A stand-in has the names that a library imports from such a part. What it lacks fails where it is imported, so a new
version that wants more is noticed by every test that starts the process. :func:`install` comes before the first import
of the libraries; tests of single parts use them whole.
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
    raise NotImplementedError("this part of a library is not loaded: see app.lean")


def _none(_: str) -> None:
    """There is none."""


def _names(classes: str = "", functions: str = "") -> dict[str, Any]:
    return {**dict.fromkeys(classes.split(), Unused), **dict.fromkeys(functions.split(), _not_there)}


Modules = Mapping[str, Mapping[str, object]]

NETD: Modules = {
    # It runs ldconfig, and perhaps a compiler, to find the C library, which every process has already.
    "ctypes.util": {"find_library": _none},
    # dnspython's optional packages, looked for by the packages' metadata: none is used.
    "dns._features": {"have": _none},
}
# The web framework: 5 MB, and a fifth of the time to load it.
WEB: Modules = {
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
    # The counts are in memory, and nothing waits for them.
    "limits.aio": {},
    "limits.storage.memcached": _names("MemcachedStorage"),
    "limits.storage.mongodb": _names("MongoDBStorage MongoDBStorageBase"),
    "limits.storage.redis": _names("RedisStorage"),
    "limits.storage.redis_cluster": _names("RedisClusterStorage"),
    "limits.storage.redis_sentinel": _names("RedisSentinelStorage"),
    # HTTP/2 is not offered (app.web.http1).
    "h2.events": {},
    "hypercorn.protocol.h2": _names("H2Protocol"),
}
WEB_BARE = ("flask", "werkzeug")  # packages whose own __init__ imports all of them


class _Finder:
    """Finds the stand-ins, and the bare packages with their real modules."""

    def __init__(self, modules: Modules, bare: Sequence[str]) -> None:
        self._modules = modules
        self._bare = bare

    def find_spec(self, name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._modules and name not in self._bare:
            return None
        loader: Any = self
        spec = ModuleSpec(name, loader, is_package=True)
        if name in self._bare and (found := PathFinder.find_spec(name, path)) is not None:
            spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def create_module(self, _: ModuleSpec) -> None:
        """Python's own kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._modules.get(module.__name__, {}))


def install(modules: Modules, bare: Sequence[str] = ()) -> None:
    """Have ``modules`` found instead of those of their names, and the packages ``bare`` without their ``__init__``."""
    sys.meta_path.insert(0, _Finder(modules, bare))
