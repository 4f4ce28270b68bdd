"""Check that every Python package in pyproject.toml is used; ``make lint`` fails and names the others.

A runtime package counts as used if ``app`` imports it. A development package is imported somewhere, is a program that
``make`` or a script calls, or is a pytest plugin whose option is set.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ci.packages import PROJECT, modules_of_packages, wanted

SHIPPED = ("app", "overlay")
FOLDERS = (*SHIPPED, "ci", "image", "tests")
RECIPES = ("Makefile", "image/image.mk", ".ci/*", "ci/*", "ci/bare/*", "image/*", "image/qemu/*")
CALL = re.compile(r"\.venv/bin/([\w-]+)|\s-m ([\w-]+)")
IMPORT = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
PLUGINS = {  # pytest plugins are not imported; this text shows that a plugin is in use
    "pytest-asyncio": ("pyproject.toml", "asyncio_mode"),
    "pytest-timeout": ("pyproject.toml", "timeout"),
    "pytest-xdist": ("Makefile", "--dist"),
}


def unused(project: Path = PROJECT) -> list[str]:
    """A line for each unused package."""
    runtime = wanted("requirements.lock", project)
    shipped = set(_imported(project, SHIPPED))
    anywhere = shipped | set(_imported(project, FOLDERS, texts=True))
    called = set(_called(project))
    modules = modules_of_packages()
    found: list[str] = []
    for package in wanted("requirements-dev.lock", project):
        names = set(modules.get(package, ()))
        if package in runtime:
            if not names & shipped:
                found.append(f"{package}: nothing in {' or '.join(SHIPPED)} imports it")
        elif not (names & anywhere or (names | _programs(package)) & called or _configured(project, package)):
            found.append(f"{package}: nothing imports it, and neither make nor a script calls it")
    return found


def _imported(project: Path, folders: tuple[str, ...], *, texts: bool = False) -> Iterator[str]:
    """The top-level name of every imported module; with ``texts``, also of programs that tests run from a string."""
    for path in (path for folder in folders for path in (project / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]
            elif texts and isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from IMPORT.findall(node.value)


def _called(project: Path) -> Iterator[str]:
    """The programs and modules that the makefiles and the scripts without a suffix call."""
    for path in sorted({path for pattern in RECIPES for path in project.glob(pattern)}):
        if path.is_file() and path.suffix in {"", ".mk", ".sh"}:
            lines = (line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
            for program, module in CALL.findall("\n".join(lines)):
                yield program or module


def _programs(package: str) -> set[str]:
    try:
        points = importlib.metadata.distribution(package).entry_points
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {point.name for point in points if point.group == "console_scripts"}


def _configured(project: Path, package: str) -> bool:
    if package not in PLUGINS:
        return False
    file, option = PLUGINS[package]
    return option in (project / file).read_text()


def main() -> int:
    found = unused()
    for line in found:
        print(f"pyproject.toml: {line}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
