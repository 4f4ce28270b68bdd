"""The page's modules are joined into few files that do the same; a debugger finds each line where it was written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.web.assets import PAGES, STATIC
from app.web.join import BASE64, JoinError, join

MODULES = {
    "main.js": """import { a, b as other } from "./lib/a.js";
import * as store from "./store.js";
import words, { one } from "./words.js";
import "./effect.js";

/**
 * @param {import("./types.js").T} given
 */
/** @type {import("./types.js").T} */
export const shown = [a, other(), store.name(), words.hello, one];

export async function later() {
  return [(await import("./views/x.js")).X(), await import("./views/y.js").then(({ default: Y }) => Y())];
}
""",
    "lib/a.js": 'export const a = "a";\nexport function b() {\n  return "b";\n}\n',
    "store.js": 'import {\n  a,\n} from "./lib/a.js";\nexport { b } from "./lib/a.js";\n'
    "export const name = () => a + a;\n",
    "words.js": 'const n = "one";\nexport default {\n  hello: "hello",\n};\nexport { n as one };\n',
    "effect.js": "globalThis.effects = (globalThis.effects ?? 0) + 1;\n",
    "views/x.js": 'import { s } from "../shared.js";\nimport{name}from"../store.js";export class Z {}\n'
    "export async function load() {}\nexport const X = () => s + name();\n",
    "views/y.js": 'import { s } from "../shared.js";\nconst Y = () => s + "y";export{Y,Y as default};\n',
    "shared.js": 'globalThis.shared = (globalThis.shared ?? 0) + 1;\nexport const s = "s" + globalThis.shared;\n',
}


PROGRAM = """
import(%s).then(async (file) => {
  const main = %s;
  console.log(JSON.stringify([main.shown, await main.later(), globalThis.effects, globalThis.shared]));
});
"""


def _told(address: str, module: str) -> list[object]:
    """What the first module gives, run by Node."""
    program = PROGRAM % (json.dumps(address), module)
    node = Path(sys.executable).with_name("node")
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    told: list[object] = json.loads(done.stdout)
    return told


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in {**files, "package.json": '{"type": "module"}'}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def test_joined_modules_do_what_they_did_alone(tmp_path: Path) -> None:
    base = f"{tmp_path.as_uri()}/"
    joined = join("main.js", MODULES, base)
    _write(tmp_path, {**MODULES, **joined.files})
    alone = _told(f"{base}main.js", "file")
    assert alone == [["a", "b", "aa", "hello", "one"], ["s1aa", "s1y"], 1, 1]
    assert _told(base + joined.first, "file.$main") == alone


def test_modules_that_are_fetched_together_are_one_file() -> None:
    joined = join("main.js", MODULES, "/static/")
    version, _, first = joined.first.partition("/")
    assert first == "main.js"
    files = {name.removeprefix(f"{version}/"): text for name, text in joined.files.items() if name.endswith(".js")}
    assert {name: re.findall(r"^export const (\S+)", text, re.MULTILINE) for name, text in files.items()} == {
        "main.js": ["$lib_a", "$store", "$words", "$effect", "$main"],
        "shared/1.js": ["$shared"],
        "views/x.js": ["$views_x"],
        "views/y.js": ["$views_y"],
    }


def test_any_change_gives_every_file_another_address() -> None:
    changed = {**MODULES, "views/y.js": MODULES["views/y.js"] + "\n"}
    assert not join("main.js", MODULES, "/").files.keys() & join("main.js", changed, "/").files.keys()


def _places(mappings: str) -> list[tuple[int, int] | None]:
    """The source and the line of each line of a file, by its source map."""
    found: list[tuple[int, int] | None] = []
    source = line = 0
    for segment in mappings.split(";"):
        if not segment:
            found.append(None)
            continue
        numbers: list[int] = []
        shift = value = 0
        for digit in map(BASE64.index, segment):
            value |= (digit & 31) << shift
            shift += 5
            if not digit & 32:
                numbers.append(-(value >> 1) if value & 1 else value >> 1)
                shift = value = 0
        _, in_source, in_line, column = numbers
        assert column == 0
        source, line = source + in_source, line + in_line
        found.append((source, line))
    return found


@pytest.mark.parametrize("first", PAGES.values())
def test_debugger_finds_each_line_of_the_page_in_its_module(first: str) -> None:
    sources = {path.relative_to(STATIC).as_posix(): path.read_text() for path in STATIC.rglob("*.js")}
    joined = join(first, sources, "/static/")
    told: set[str] = set()
    for name, text in joined.files.items():
        if name.endswith(".map"):
            continue
        described = json.loads(joined.files[f"{name}.map"])
        assert text.endswith(f"\n//# sourceMappingURL={name.rpartition('/')[2]}.map\n")
        modules = [source.removeprefix("/static/") for source in described["sources"]]
        told.update(modules)
        for line, place in zip(text.split("\n"), _places(described["mappings"]), strict=False):
            if place is None:
                assert line.startswith(("import ", "export const $", "return {", "})();", "//# ")), line
                continue
            written = sources[modules[place[0]]].splitlines()[place[1]]
            if line.strip() and not re.search(r"\b(import|export|from)\b|^[\w}, ]*;?$", written):
                assert line.split() == re.sub(r"/\*\*? .*?\*/", "", written).split()
    assert told >= {first, "vendor/preact.js", "messages/de.js", "ui.js"}


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        ('import { a } from "./none.js";', "main.js needs none.js, which is not there"),
        ('import { a } from "./other.js";', "main.js imports other.js imports main.js: a circle"),
        ("export let count = 0;", "main.js has what cannot be joined: export let count = 0;"),
        ('export * from "./effect.js";', 'main.js has what cannot be joined: export * from "./effect.js";'),
        ("export const { a, b } = c;", "main.js has what cannot be joined: export const { a, b } = c;"),
    ],
)
def test_what_cannot_be_joined_is_named(module: str, problem: str) -> None:
    sources = {"main.js": module, "other.js": 'import "./main.js";', "effect.js": ""}
    with pytest.raises(JoinError, match=re.escape(problem)):
        join("main.js", sources, "/")
