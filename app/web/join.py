"""The page's many small modules, joined into few files: a slow phone takes longer for each file than for its words.

One file holds the modules of the first view, one those of each view that is fetched later, and one what such views
share. Each module becomes a function that gives back what it exports. Its lines stay where they were, without the long
comments, and a source map leads a debugger to the module itself. A module takes from another one what that has when it
begins, so there are no circles of modules and no exported variables: JoinError says where one is.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

# A statement begins at the left edge in the sources, and after another one in a minified library.
_IMPORT = r"import(?<![^\n;}]import)\b"
_EXPORT = r"export(?<![^\n;}]export)\b"
_PATH = r"""["'](?P<path>\.{1,2}/[^"']+)["']"""
IMPORT = re.compile(rf"""{_IMPORT}(?P<names>[^"'();]*?)(?:\bfrom\s*)?{_PATH};?""")
LATER = re.compile(rf"import\({_PATH}\)")
PASSED_ON = re.compile(rf"{_EXPORT}\s*\{{(?P<names>[^}}]*)\}}\s*from\s*{_PATH};?")
LISTED = re.compile(rf"{_EXPORT}\s*\{{(?P<names>[^}}]*)\}};?")
DECLARED = re.compile(rf"{_EXPORT}\s+((?:async\s+function|function|class|const)\s+([\w$]+))")
DEFAULT = re.compile(rf"{_EXPORT}\s+default\b")
# They hold types, which would be taken for imports, and what is no code any more.
COMMENT = re.compile(r"/\*[\s*].*?\*/", re.DOTALL)
OTHER = re.compile(rf"(?:{_IMPORT}|{_EXPORT}).*")
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class JoinError(Exception):
    """A module cannot be joined; the message names it."""


class Joined(Struct, frozen=True):
    """Where the first module is now, and the content of each file, by its name."""

    first: str
    files: dict[str, str]


def join(first: str, sources: Mapping[str, str], base: str) -> Joined:
    """Join ``first`` and all that it needs, at once or later; ``base`` is the address of them all. Raises JoinError."""
    modules = _Modules(first, {name: COMMENT.sub(_breaks, source) for name, source in sources.items()})
    version = hashlib.sha256("\0".join(f"{name}\0{sources[name]}" for name in modules.imports).encode()).hexdigest()[
        :16
    ]
    place = {name: f"{version}/{file}" for name, file in modules.files().items()}
    made: dict[str, str] = {}
    for file in dict.fromkeys(place.values()):
        together = [name for name in modules.imports if place[name] == file]
        made[file], made[f"{file}.map"] = _file(file, together, modules, place, base)
    return Joined(place[first], made)


def _targets(pattern: re.Pattern[str], name: str, source: str) -> list[str]:
    """The modules that are named in a source, by their paths from it."""
    return [_resolved(name, found["path"]) for found in pattern.finditer(source)]


def _resolved(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


class _Modules:
    """Which modules there are and what each imports: it comes after all of those."""

    def __init__(self, first: str, sources: Mapping[str, str]) -> None:
        self.first = first
        self.sources = sources
        self.imports: dict[str, list[str]] = {}
        self._entries = [first]  # and those that are fetched later
        for entry in self._entries:
            self._add(entry, ())

    def _add(self, name: str, way: tuple[str, ...]) -> None:
        if name in self.imports:
            return
        if name in way:
            raise JoinError(f"{' imports '.join((*way, name))}: a circle")
        source = self.sources.get(name)
        if source is None:
            raise JoinError(f"{way[-1] if way else 'the page'} needs {name}, which is not there")
        imported = _targets(IMPORT, name, source) + _targets(PASSED_ON, name, source)
        for each in imported:
            self._add(each, (*way, name))
        self.imports[name] = imported
        self._entries += [each for each in _targets(LATER, name, source) if each not in self._entries]

    def _reached(self, entry: str) -> set[str]:
        reached = {entry}
        for name in reversed(self.imports):  # each before those that it imports
            if name in reached:
                reached.update(self.imports[name])
        return reached

    def files(self) -> dict[str, str]:
        """The file of each module, with others that the same views need; what the first view needs is in its file."""
        reached = {entry: self._reached(entry) for entry in self._entries}
        shared: dict[tuple[str, ...], str] = {}
        files: dict[str, str] = {}
        for name in self.imports:
            by = tuple(entry for entry in self._entries if name in reached[entry])
            alone = by[0] if len(by) == 1 or by[0] == self.first else ""
            files[name] = alone or shared.setdefault(by, f"shared/{len(shared) + 1}.js")
        return files


def _identifier(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name.removesuffix(".js"))


def _file(file: str, together: list[str], modules: _Modules, place: Mapping[str, str], base: str) -> tuple[str, str]:
    """A file of modules, and its source map."""
    elsewhere: dict[str, dict[str, None]] = {}
    for name in together:
        for each in modules.imports[name]:
            if place[each] != file:
                elsewhere.setdefault(place[each], {})[_identifier(each)] = None
    lines = [f'import {{ {", ".join(names)} }} from "{base}{other}";' for other, names in elsewhere.items()]
    mapped = _Mappings(len(lines))
    for number, name in enumerate(together):
        body, exports = _body(name, modules.sources[name], place, base)
        lines += [f"export const {_identifier(name)} = (() => {{", *body, f"return {{ {exports} }};", "})();"]
        mapped.add(number, len(body))
    lines.append(f"//# sourceMappingURL={posixpath.basename(file)}.map\n")
    described = {"version": 3, "sources": [base + name for name in together], "names": [], "mappings": mapped.text}
    return "\n".join(lines), json.dumps(described)


def _body(name: str, source: str, place: Mapping[str, str], base: str) -> tuple[list[str], str]:
    """The lines of a module as those of a function, and what it gives back."""
    exports: dict[str, str] = {}

    def imported(found: re.Match[str]) -> str:
        return _taken(found["names"], _identifier(_resolved(name, found["path"]))) + _breaks(found)

    def later(found: re.Match[str]) -> str:
        target = _resolved(name, found["path"])
        return f'import("{base}{place[target]}").then((file) => file.{_identifier(target)})'

    def passed_on(found: re.Match[str]) -> str:
        owner = _identifier(_resolved(name, found["path"]))
        exports.update({new: f"{owner}.{old}" for old, new in _pairs(found["names"])})
        return _breaks(found)

    def listed(found: re.Match[str]) -> str:
        exports.update({new: old for old, new in _pairs(found["names"])})
        return _breaks(found)

    def declared(found: re.Match[str]) -> str:
        exports[found[2]] = found[2]
        return found[1]

    def default(_: re.Match[str]) -> str:
        exports["default"] = "$default"
        return "const $default ="

    for pattern, replaced in (
        (IMPORT, imported),
        (LATER, later),
        (PASSED_ON, passed_on),
        (LISTED, listed),
        (DECLARED, declared),
        (DEFAULT, default),
    ):
        source = pattern.sub(replaced, source)
    other = OTHER.search(source)
    if other:
        raise JoinError(f"{name} has what cannot be joined: {other[0][:60]}")
    return source.splitlines(), ", ".join(f"{new}: {old}" for new, old in exports.items())


def _breaks(found: re.Match[str]) -> str:
    """The line breaks of what was replaced, so that the lines after it keep their numbers."""
    return "\n" * found[0].count("\n")


def _pairs(names: str) -> Iterable[tuple[str, str]]:
    """``a, b as c`` as pairs of the old and the new name."""
    for each in filter(None, (part.strip() for part in names.split(","))):
        old, _, new = each.partition(" as ")
        yield old.strip(), new.strip() or old.strip()


def _taken(names: str, module: str) -> str:
    """The clause of an import as declarations: ``a, { b as c }``, ``* as d``."""
    before, _, braced = names.partition("{")
    made: list[str] = []
    taken = [f"{old}: {new}" for old, new in _pairs(braced.rstrip().removesuffix("}"))]
    for each in filter(None, (part.strip() for part in before.split(","))):
        if each.startswith("*"):
            made.append(f"const {each.partition(' as ')[2].strip()} = {module};")
        else:
            taken.insert(0, f"default: {each}")
    if taken:
        made.append(f"const {{ {', '.join(taken)} }} = {module};")
    return " ".join(made)


class _Mappings:
    """The mappings of a source map (ECMA-426): each line of a module to the same line of its source."""

    def __init__(self, before: int) -> None:
        self.text = ";" * before  # lines without a source
        self._last = (0, 0)  # the source and the line that the next one is told relative to

    def add(self, source: int, lines: int) -> None:
        """The lines of one module, between one line before them and two after them."""
        begin = f"A{_vlq(source - self._last[0])}{_vlq(-self._last[1])}A;"
        self.text += f";{begin}{'AACA;' * (lines - 1)};;"
        self._last = (source, lines - 1)


def _vlq(value: int) -> str:
    """A number in base 64, as source maps write it: five bits a digit, the lowest first, the sign in the lowest bit."""
    rest = -value << 1 | 1 if value < 0 else value << 1
    digits = ""
    while True:
        rest, digit = rest >> 5, rest & 31
        digits += BASE64[digit | 32 if rest else digit]
        if not rest:
            return digits
