"""The names of tests: ``test_<subject>_<condition>_<outcome>``, at most 60 characters; the docstring has the story."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

MAX_NAME = 60  # characters
UNIT = Path(__file__).parent
ROOMS = (  # where each test has been named so
    "api",
    "cli",
    "firstboot",
    "netd",
    "network",
    "protocol",
    "providers",
    "store",
    "support",
    "tunnel",
    "wgconf",
)
KERNEL = UNIT.parent / "kernel"


def names(folder: Path, pattern: str) -> list[str]:
    trees = (ast.walk(ast.parse(path.read_text())) for path in sorted(folder.glob(pattern)))
    found = [node for tree in trees for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node.name for node in found if node.name.startswith("test_")]


@pytest.mark.parametrize(
    ("folder", "pattern"), [(UNIT, "*.py"), (KERNEL, "*.py"), *((UNIT / room, "**/*.py") for room in ROOMS)]
)
def test_names_of_tests_have_at_most_sixty_characters(folder: Path, pattern: str) -> None:
    found = names(folder, pattern)
    assert found
    assert [name for name in found if len(name) > MAX_NAME] == []
