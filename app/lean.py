"""Libraries without the parts that the gateway never uses, which cost a start time and the process memory.

A stand-in has the names that a library imports from such a part while it is loaded. There are two kinds:

* One for a part that is never used. What it lacks fails where it is imported, so a new version that wants more is
  noticed by every test that starts the process.
* One for a part that something may yet want, as all of Python's own modules are. What it lacks is loaded when it is
  first asked for; from then on the module is the whole one.

:func:`install` comes before the first import of the libraries; tests of single parts use them whole.
"""

from __future__ import annotations

import sys
import typing
from _thread import RLock
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, NamedTuple


class Unused:
    """Stands for a class: it can be subclassed and, since modules do that while they are loaded, instantiated."""

    def __init__(self, *_: object, **__: object) -> None:
        self.name: str | None = None
        self.commands: dict[str, object] = {}


def _not_there(*_: object, **__: object) -> Any:
    raise NotImplementedError("this part of a library is not loaded: see app.lean")


def _none(_: str) -> None:
    """There is none."""


def _as_it_is(**_: object) -> Callable[[object], object]:
    """Decorates nothing."""
    return lambda item: item


class _MainProcess:
    name = "MainProcess"


def _names(classes: str = "", functions: str = "", errors: str = "", numbers: str = "") -> dict[str, Any]:
    """Stand-ins, each class one of its own, since several may be the bases of one."""
    return {
        **{name: type(name, (Unused,), {}) for name in classes.split()},
        **dict.fromkeys(functions.split(), _not_there),
        **{name: type(name, (Exception,), {}) for name in errors.split()},
        **dict.fromkeys(numbers.split(), -1),
    }


Modules = Mapping[str, Mapping[str, object]]


class Lean(NamedTuple):
    """What a process is loaded without."""

    unused: Modules
    later: Modules
    bare: Sequence[str] = ()  # packages whose own __init__ imports all of them


_MULTIPROCESSING = {
    **_names("Process", "Pipe Queue"),
    "current_process": _MainProcess,  # the log asks for it, once somebody has loaded the module
}


_BOTH: Modules = {
    # What inspect and the log need for the text of a program alone.
    "ast": _names("NodeVisitor"),
    "tokenize": {},
    # Archives of these kinds are only known to be possible.
    "bz2": {},
    "lzma": {},
    # What msgspec takes from it, Python has.
    "typing_extensions": {name: getattr(typing, name) for name in ("get_type_hints", "NotRequired", "Required")},
    "multiprocessing": _MULTIPROCESSING,
}
_BOTH_UNUSED: Modules = {
    "aiofiles.tempfile": {},
}

NETD = Lean(
    unused={
        **_BOTH_UNUSED,
        # It runs ldconfig, and perhaps a compiler, to find the C library, which every process has already.
        "ctypes.util": {"find_library": _none},
        # dnspython's optional packages, looked for by the packages' metadata: none is used.
        "dns._features": {"have": _none},
    },
    later=_BOTH,
)
# The web framework and what belongs to it: 10 MB, and a third of the time to load it.
WEB = Lean(
    unused={
        **_BOTH_UNUSED,
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
        # The sessions are our own.
        "itsdangerous": _names("URLSafeTimedSerializer", errors="BadSignature"),
        # The counts are in memory, and nothing waits for them.
        "limits.aio": {},
        "limits.storage.memcached": _names("MemcachedStorage"),
        "limits.storage.mongodb": _names("MongoDBStorage MongoDBStorageBase"),
        "limits.storage.redis": _names("RedisStorage"),
        "limits.storage.redis_cluster": _names("RedisClusterStorage"),
        "limits.storage.redis_sentinel": _names("RedisSentinelStorage"),
        # A note in the documentation of that library, for which a megabyte would be loaded.
        "deprecated": {},
        "deprecated.sphinx": {"versionadded": _as_it_is},
        # HTTP/2 is not offered (app.web.http1).
        "h2.events": {},
        "hypercorn.protocol.h2": _names("H2Protocol"),
    },
    later={
        **_BOTH,
        # The names of versions of packages, of which limits would check those that are not there.
        "packaging.version": _names("Version"),
        # Prometheus' own server, and its clients.
        "http.server": _names("BaseHTTPRequestHandler"),
        "socketserver": _names("ThreadingMixIn"),
        "urllib.request": _names(
            "BaseHandler HTTPHandler HTTPRedirectHandler HTTPSHandler Request", functions="build_opener"
        ),
        "wsgiref.simple_server": _names("WSGIRequestHandler WSGIServer", functions="make_server"),
        # The frameworks' tests, logs, files and messages to a developer.
        "http.cookiejar": _names("CookieJar"),
        "logging.config": _names(functions="dictConfig fileConfig"),
        "multiprocessing.synchronize": _names("Event"),
        "difflib": {},
        "mimetypes": {},
        "pprint": {"pformat": repr},
        # No program is run and no connection is encrypted: netd does both.
        "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},
        "ssl": _names(
            "Purpose SSLContext SSLSocket TLSVersion VerifyFlags VerifyMode",
            "create_default_context",
            "CertificateError SSLError SSLSyscallError SSLWantReadError",
            "OP_NO_COMPRESSION PROTOCOL_TLS_CLIENT PROTOCOL_TLS_SERVER",
        ),
    },
    bare=("flask", "werkzeug"),
)


class _Finder:
    """Finds the stand-ins, and the bare packages with their real modules."""

    def __init__(self, lean: Lean) -> None:
        self._lean = lean

    def find_spec(self, name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> ModuleSpec | None:
        if name in self._lean.unused:
            return _spec(name, _Loader(self._lean.unused[name]), [])
        later = self._lean.later.get(name)
        if (later is None and name not in self._lean.bare) or (whole := PathFinder.find_spec(name, path)) is None:
            return None
        loader = _Loader({}) if later is None else _Loader(later, whole)
        return _spec(name, loader, whole.submodule_search_locations)


class _Loader:
    """Loads a stand-in of these names; with ``whole``, the module itself as soon as it is asked for another."""

    def __init__(self, names: Mapping[str, object], whole: ModuleSpec | None = None) -> None:
        self._names = names
        self._whole = whole
        self._lock = RLock()
        self._loading = False

    def create_module(self, _: ModuleSpec) -> None:
        """Python's own kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._names)
        if self._whole is None:
            return

        def missing(name: str) -> object:
            # Python itself looks for such names in every module, for instance to tell where a warning comes from.
            if not name.startswith("__") or name == "__all__":
                with self._lock:  # another thread waits until the module is whole
                    self._load(module, missing)
                if name in vars(module):
                    return vars(module)[name]
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        vars(module)["__getattr__"] = missing

    def _load(self, module: ModuleType, missing: object) -> None:
        if self._whole is None or self._whole.loader is None or self._loading:
            return  # it was loaded meanwhile, or it is being loaded and asks for a name of its own
        self._loading = True
        try:
            module.__spec__, module.__loader__ = self._whole, self._whole.loader
            self._whole.loader.exec_module(module)
            self._whole = None
        finally:
            self._loading = False
        if vars(module).get("__getattr__") is missing:
            del vars(module)["__getattr__"]


def _spec(name: str, loader: Any, places: list[str] | None) -> ModuleSpec:
    spec = ModuleSpec(name, loader)
    spec.submodule_search_locations = places
    return spec


def install(lean: Lean) -> None:
    """Have the stand-ins found instead of the modules of their names, and the bare packages without ``__init__``."""
    sys.meta_path.insert(0, _Finder(lean))


def skip_package_init(package: str) -> None:
    """Register ``package`` without running its ``__init__``; where it is loaded already, this does nothing.

    The package's modules import one another by their full names, and our code must do the same.
    """
    if package not in sys.modules and (spec := find_spec(package)) is not None:
        sys.modules[package] = module_from_spec(spec)
