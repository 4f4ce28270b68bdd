"""The check of ``make lint`` that every package which pyproject.toml asks for is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.used_packages import unused


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["aiofiles>=25.1", "pyjwt>=2.10"]\n'
        '[dependency-groups]\ndev = ["pytest>=9", "pytest-xdist>=3.8", "requests>=2.32"]\n'
    )
    (tmp_path / "Makefile").write_text("test:\n\t.venv/bin/python -m pytest -n 2 --dist loadfile\n")
    for folder in ("app", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "app" / "main.py").write_text("import aiofiles.os\n\ndef f():\n    from jwt import decode\n")
    (tmp_path / "tests" / "test_main.py").write_text("import requests\n")
    return tmp_path


def test_every_package_of_this_project_is_used() -> None:
    assert unused() == []


def test_imports_programs_and_plugins_are_uses(project: Path) -> None:
    assert unused(project) == []


def test_a_runtime_package_that_only_tests_import_is_named(project: Path) -> None:
    (project / "app" / "main.py").write_text('import jwt\n"""import aiofiles would be in a text."""\n')
    (project / "tests" / "test_main.py").write_text("import aiofiles, requests\n")
    assert unused(project) == ["aiofiles: nothing in app or overlay imports it"]


def test_project_module_of_the_same_name_is_no_use(project: Path) -> None:
    (project / "app" / "main.py").write_text("import jwt\nfrom . import aiofiles\nfrom .aiofiles import open\n")
    assert unused(project) == ["aiofiles: nothing in app or overlay imports it"]


def test_a_program_that_nothing_calls_is_named(project: Path) -> None:
    (project / "Makefile").write_text("# .venv/bin/python -m pytest\ntest:\n\ttrue\n")
    assert unused(project) == [
        "pytest: nothing imports it, and neither make nor a script calls it",
        "pytest-xdist: nothing imports it, and neither make nor a script calls it",
    ]


def test_a_program_that_a_test_runs_as_text_is_a_use(project: Path) -> None:
    (project / "tests" / "test_main.py").write_text('CODE = """\nimport requests\nrequests.get("x")\n"""\n')
    assert unused(project) == []
    (project / "tests" / "test_main.py").write_text('CODE = "requests"\n')
    assert unused(project) == ["requests: nothing imports it, and neither make nor a script calls it"]
