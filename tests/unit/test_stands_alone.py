"""The repository is self-contained: no file names a path outside, so that a clone works on its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.escaping_paths import python, text
from tests.support.escaping_paths.tree_path import TreePath

ROOT = Path(__file__).parents[2]
IGNORED = [".git", *(line for line in (ROOT / ".gitignore").read_text().splitlines() if line and line[0] != "#")]


def ignored(path: Path) -> bool:
    """As git has it, for patterns such as ours: a name, or a path from the root."""
    return any(
        fnmatch(path.relative_to(ROOT).as_posix() if pattern.startswith("/") else path.name, pattern.strip("/"))
        for pattern in IGNORED
    )


def files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder)
        folders[:] = [name for name in folders if not ignored(here / name)]
        yield from (path for name in [*names, *folders] if not ignored(path := here / name))


def named_outside(path: Path, root: Path = ROOT) -> list[tuple[int, str]]:
    """The paths outside of the tree that ``path`` names, each with its line."""
    folder = path.relative_to(root).parent.as_posix()
    if path.is_symlink():
        place = TreePath(folder).join(os.readlink(path))
        return [(0, place.path)] if place is not None and place.outside else []
    if path.is_dir() or b"\0" in (data := path.read_bytes()):
        return []
    content = data.decode(errors="replace")
    interpreter = content.partition("\n")[0] if content.startswith("#!") else ""
    if path.suffix == ".py" or "python" in interpreter:
        return list(python.Module(root, path).outside())
    if path.name == "Makefile" or path.suffix in {".mk", ".sh"} or re.search(r"\b(?:ba|da)?sh\b", interpreter):
        return list(text.shell(content, folder))
    return list(text.linked(content, folder))


def test_no_file_names_a_path_outside() -> None:
    looked_at = 0
    found = []
    for path in files():
        looked_at += 1
        found += [f"{path.relative_to(ROOT)}:{line}: {named}" for line, named in named_outside(path)]
    assert found == []
    assert looked_at > 300


# --- Would it notice? ------------------------------------------------------------------------------------------------

HERE = "from pathlib import Path\n"


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("tests/lab/test_x.py", HERE + 'R = Path(__file__).parents[3] / "shared" / "spec.txt"', "../shared/spec.txt"),
        ("tests/unit/a/test_x.py", HERE + 'CONF = (Path(__file__).parents[4] / "shared", Path("/etc"))', "../shared"),
        (
            "tests/unit/a/test_x.py",
            HERE + 'R = Path(__file__).parents[3]\nD = R.parent / "shared" / "data"',
            "../shared/data",
        ),
        ("a.py", HERE + 'D = Path(__file__).resolve().parent.joinpath("..", "data")', "../data"),
        ("a.py", HERE + "def f():\n    here = Path(__file__)\n    return open(here.parent.parent)", ".."),
        ("a/b.py", HERE + 'D = Path(__file__).with_name("..") / "../x"', "../x"),
        ("a.py", HERE + 'for d in (Path(__file__).parents[2] / "x",):\n    pass', "../../x"),
        ("a.py", HERE + 'text = Path("../shared/data").read_text()', "../shared/data"),
        ("a.py", HERE + 'text = f"{Path(__file__).parent}/../x"', "../x"),
        ("a.py", 'import os\nD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "x")', "../x"),
        ("a.py", 'from b import ROOT\nD = ROOT.parent / "x"', "../x"),
        ("a.py", 'from c import b\nD = b.ROOT.parent / "x"', "../x"),
        ("Makefile", "test:\n\tcp ../shared/data/x .\n", "../shared/data/x"),
        ("ci/x", '#!/bin/bash\ncd "$(dirname "$0")/../.."\n', ".."),
        ("ci/a/x", '#!/bin/sh\nsource "$(dirname "${BASH_SOURCE[0]}")/../../../lib.sh"\n', "../lib.sh"),
        ("ci/x", '#!/bin/sh\nroot=$(cd "$(dirname "$0")/.." && pwd)\ncat "$root/../x"\n', "../x"),
        ("ci/x", '#!/bin/sh\nroot=$(cd "$(dirname "$0")/.." && pwd)\ncat "${root}"/../x\n', "../x"),
        ("ci/x", "#!/bin/sh -e\nln -sfn ../../x build/y\n", "../x"),
        ("ci/x", "#!/bin/sh\ncat docs/../../x\n", "../x"),
        ("docs/a.md", "See [this](../../shared/x.md).", "../shared/x.md"),
        ("x.yml", "src: ../x", "../x"),
    ],
)
def test_a_path_outside_is_noticed(tmp_path: Path, file: str, content: str, named: str) -> None:
    assert [where for _, where in named_outside(tree(tmp_path, file, content), tmp_path)][-1:] == [named]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tests/unit/a/test_x.py", HERE + 'D = Path(__file__).parents[3] / "docs"\nE = D.parent / "app"'),
        ("tests/unit/test_x.py", 'BAD = ["../../etc/passwd", "..", "x/../../y"]\ncall("GET", BAD[0])'),
        ("a.py", HERE + 'D = Path("/etc") / ".." / "x"\nE = Path(__file__).parent / "/etc/../x"'),
        ("a.py", HERE + "ROOT = Path(__file__).parent\ndef f(ROOT):\n    return ROOT.parent"),
        ("a.py", HERE + "def f():\n    at = Path(__file__).parent\ndef g(at):\n    return at.parent"),
        ("ci/x", '#!/bin/sh\ncd "$(dirname "$0")/.."\ncat "/sys/class/net/$x/.." "$work/../x" "..." 1..2\n'),
        ("ci/x", "#!/bin/sh\nln -sfn ../../x build/a/y\nln -s /etc/../x y\n"),
        ("image/lib/x.sh", 'repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)\ncat "$repo/docs/../x"\n'),
        ("docs/a/x.md", "See [this](../../README.md), `...`, v1..v2 and [that](../b.md)."),
    ],
)
def test_path_inside_is_accepted(tmp_path: Path, file: str, content: str) -> None:
    assert named_outside(tree(tmp_path, file, content), tmp_path) == []


@pytest.mark.parametrize(("target", "found"), [("../../x", [(0, "../x")]), ("../x", []), ("/dev/null", [])])
def test_a_link_that_leads_out_is_noticed(tmp_path: Path, target: str, found: list[tuple[int, str]]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to(target)
    assert named_outside(tmp_path / "a" / "link", tmp_path) == found


def tree(root: Path, file: str, content: str) -> Path:
    """``file`` among two modules that know where the root is."""
    modules = {"b.py": HERE + "ROOT = Path(__file__).parent", "c/b.py": HERE + "ROOT = Path(__file__).parents[1]"}
    for name, written in {**modules, file: content}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(written)
    return root / file
