"""Paths that a Python module makes of ``__file__``, by pathlib, os.path and names, also those of other modules."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.support.escaping_paths.tree_path import TreePath

Value = TreePath | str

UNKNOWN = "?"  # a part of a path that is not known
SAME = {"resolve", "absolute", "expanduser", "as_posix", "abspath", "realpath", "normpath", "str", "fspath"}
PATH = {"Path", "PurePath", "PosixPath"}


@dataclass
class Scope:
    """What names stand for: each may have several values, and None is one that is not known."""

    outer: Scope | None = None
    names: dict[str, list[ast.expr | None]] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)  # name -> (module, its name there)

    def bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.names.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            several = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            known = len(several) == len(target.elts)
            for n, part in enumerate(target.elts):
                self.bind(part, several[n] if known else None)


class Module:
    def __init__(self, root: Path, file: Path) -> None:
        self._root = root
        self._place = TreePath(file.relative_to(root).as_posix())
        self._scope = Scope()
        self._expressions: list[tuple[ast.expr, Scope]] = []
        self._busy: set[tuple[int, str]] = set()
        self._read(ast.parse(file.read_text()), self._scope)

    def outside(self) -> Iterator[tuple[int, str]]:
        """Line and path; of the paths in one line the longest."""
        found: dict[int, str] = {}
        for expression, scope in self._expressions:
            for place in self._places(expression, scope):
                if place.outside:
                    found[expression.lineno] = max(found.get(expression.lineno, ""), place.path, key=len)
        yield from sorted(found.items())

    def name(self, name: str) -> set[Value]:
        """What ``name`` stands for in the module."""
        return self._name(name, self._scope)

    # --- What stands in the module -----------------------------------------------------------------------------------

    def _read(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    scope.bind(target, value)
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                scope.bind(target, value)
            case ast.For(target=target, iter=several) | ast.comprehension(target=target, iter=several):
                for value in several.elts if isinstance(several, ast.Tuple | ast.List | ast.Set) else [None]:
                    scope.bind(target, value)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                scope.imported |= {name.asname or name.name: (module, name.name) for name in names}
            case ast.FunctionDef(args=given) | ast.AsyncFunctionDef(args=given) | ast.Lambda(args=given):
                scope = Scope(scope)
                for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
                    scope.bind(ast.Name(argument.arg), None)
            case _:
                pass
        if isinstance(node, ast.expr):
            self._expressions.append((node, scope))
        for child in ast.iter_child_nodes(node):
            self._read(child, scope)

    # --- What an expression may be -----------------------------------------------------------------------------------

    def _values(self, node: ast.expr, scope: Scope) -> set[Value]:
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.Name(id="__file__"):
                return {self._place}
            case ast.Name(id=name):
                return self._name(name, scope)
            case ast.Attribute(value=inner, attr="parent"):
                return {place.parent for place in self._places(inner, scope)}
            case ast.Subscript(value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(n))):
                return {place.climb(n + 1) for place in self._places(inner, scope)}
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                module = self._module(name, scope)
                return module.name(attribute) if module is not None else set()
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._joined([left, right], scope)
            case ast.JoinedStr(values=parts):
                return self._glued([p.value if isinstance(p, ast.FormattedValue) else p for p in parts], scope)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, None, arguments, scope)
            case ast.Call(func=ast.Attribute(value=inner, attr=name), args=arguments):
                return self._call(name, inner, arguments, scope)
            case _:
                return set()

    def _places(self, node: ast.expr, scope: Scope) -> list[TreePath]:
        return [value for value in self._values(node, scope) if isinstance(value, TreePath)]

    def _name(self, name: str, scope: Scope) -> set[Value]:
        """A name that is being looked up already (``here = here.parent``) stands for nothing more."""
        if (busy := (id(scope), name)) in self._busy:
            return set()
        self._busy.add(busy)
        try:
            if name in scope.names:
                known = [value for value in scope.names[name] if value is not None]
                return {found for value in known for found in self._values(value, scope)}
            if name in scope.imported:
                module, theirs = scope.imported[name]
                other = read(self._root, module)
                return other.name(theirs) if other is not None else set()
            return self._name(name, scope.outer) if scope.outer is not None else set()
        finally:
            self._busy.remove(busy)

    def _module(self, name: str, scope: Scope | None) -> Module | None:
        while scope is not None and name not in scope.imported:
            scope = scope.outer
        return read(self._root, ".".join(scope.imported[name])) if scope is not None else None

    def _call(self, name: str, of: ast.expr | None, arguments: list[ast.expr], scope: Scope) -> set[Value]:
        own = [of] if of is not None and self._places(of, scope) else []  # a method of a path, or else a function
        given = [*own, *arguments]
        if not given:
            return set()
        if name in SAME:
            return self._values(given[0], scope)
        if name == "dirname":
            return {place.parent for place in self._places(given[0], scope)}
        if name == "with_name" and own:
            above = ast.Attribute(value=given[0], attr="parent")
            return self._joined([above, *arguments], scope)
        if name in PATH or name in {"join", "joinpath"}:
            found = self._joined(given, scope)
        elif name == "open":
            found = self._values(given[0], scope)
        else:
            return set()
        places: set[Value] = {value for value in found if isinstance(value, TreePath)}
        if name in PATH or name == "open":  # a relative path starts where one is: at the root
            places |= {TreePath(value) for value in found if isinstance(value, str) and value.startswith("../")}
        return places

    def _joined(self, parts: list[ast.expr], scope: Scope) -> set[Value]:
        found = self._values(parts[0], scope)
        for part in parts[1:]:
            more = [value for value in self._values(part, scope) if isinstance(value, str)] or [UNKNOWN]
            found = {joined for value in found for text in more if (joined := _join(value, text)) is not None}
        return found

    def _glued(self, parts: list[ast.expr], scope: Scope) -> set[Value]:
        found: set[Value] = {""}
        for part in parts:
            more = self._values(part, scope) or {UNKNOWN}
            found = {_glue(value, text) for value in found for text in more}
        return found


def _join(first: Value, more: str) -> Value | None:
    """None where ``more`` is absolute: what it leads to is not of the tree."""
    return first.join(more) if isinstance(first, TreePath) else posixpath.join(first, more)


def _glue(first: Value, more: Value) -> Value:
    if first == "":
        return more
    text = more.path if isinstance(more, TreePath) else more
    return TreePath(posixpath.normpath(first.path + text)) if isinstance(first, TreePath) else first + text


@cache
def read(root: Path, name: str) -> Module | None:
    """The module of the tree that is called ``name``."""
    path = root / name.replace(".", "/")
    file = next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)
    return Module(root, file) if file is not None else None
