"""The tools that check the page's JavaScript are locked by hash, accept the page, and find errors in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIOME = ["ci", "--error-on-warnings", "--colors=off"]
TSC = ["-p", ".", "--pretty", "false"]


def test_lock_file_has_every_hash_and_names_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    fetched = {name: package for name, package in packages.items() if name}
    assert {name.split("/")[1] for name in fetched} == {
        "@biomejs",
        "@preact",
        "@typescript",
        "axe-core",
        "htm",
        "lucide-static",
        "preact",
        "qr",
        "typescript",
        "uplot",
    }
    assert [name for name, package in fetched.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in fetched.items() if "resolved" in package] == []


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A copy of the page and of the tools' configuration, into which a test may put an error."""
    shutil.copytree(ROOT / "app" / "web", tmp_path / "app" / "web", ignore=shutil.ignore_patterns("*.py*"))
    for name in ("biome.json", "tsconfig.json"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def found(tool: str, arguments: list[str], page: Path) -> tuple[int, str]:
    done = subprocess.run([ROOT / ".cache" / tool, *arguments], cwd=page, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_biome_finds_nothing(page: Path) -> None:
    status, output = found("biome", BIOME, page)
    assert status == 0, output


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("export const same = (a) => a == 1;\n", "lint/suspicious/noDoubleEquals"),
        ("export const f = () => { debugger; };\n", "lint/suspicious/noDebugger"),
        ("export function f() {\n    return 1;\n}\n", "app/web/static/wrong.js format"),
    ],
)
def test_biome_finds_an_error(page: Path, text: str, rule: str) -> None:
    (page / "app" / "web" / "static" / "wrong.js").write_text(text)
    status, output = found("biome", BIOME, page)
    assert (status, rule in output) == (1, True), output


def test_tsc_finds_nothing(page: Path) -> None:
    status, output = found("tsc", TSC, page)
    assert status == 0, output


HEAD = """\
import { call, get, post } from "./api/client.js";
import { $, h } from "./docs/dom.js";
const name = `${call}${get}${post}${$}${h}`;
const message = /** @type {import("../types/events.d.ts").Message} */ (JSON.parse(name));
"""
ERRORS = [
    ('(await get("/api/status")).conected;', "'conected' does not exist on type 'StatusBody'"),
    ('(await get("/api/history?limit=8")).next.toFixed();', "is possibly 'null'"),
    ('await get("/api/statuses");', "Expected 2 arguments, but got 1"),
    ("await call('DELETE', `/api/auth/keys/${name}/scope`);", "Expected 3 arguments, but got 2"),
    ('await get("/api/connect");', "Expected 2 arguments, but got 1"),
    ('await post("/api/connect", { sever: "se-1" });', "'sever' does not exist in type 'ConnectBody'"),
    (
        'await post("/api/custom/add", { name });',
        "is missing the following properties from type 'CustomServerBody'",
    ),
    ("await post(`/api/provider/${name}`, {});", "Expected 1 arguments, but got 2"),
    ('$("search").value;', "'value' does not exist on type 'HTMLElement'"),
    ('h("button", { onclick: ({ currentTarget }) => currentTarget.href });', "'href' does not exist"),
    ("message.type === 'traffic' && message.payload.totals;", "'totals' does not exist on type 'TrafficRates'"),
    ("message.type === 'trafic';", "have no overlap"),
]


def test_tsc_finds_every_error(page: Path) -> None:
    """Each error is on a line of its own; tsc may continue a report on indented lines."""
    (page / "app" / "web" / "static" / "wrong.js").write_text(HEAD + "\n".join(line for line, _ in ERRORS))
    status, output = found("tsc", TSC, page)
    assert status != 0
    reports = re.split(r"^(?=\S)", output, flags=re.MULTILINE)[1:]
    first = HEAD.count("\n") + 1
    for number, (line, error) in enumerate(ERRORS, first):
        of_line = [each for each in reports if each.startswith(f"app/web/static/wrong.js({number},")]
        assert (line, len(of_line)) == (line, 1), output
        assert error in of_line[0]
    assert len(reports) == len(ERRORS), output
