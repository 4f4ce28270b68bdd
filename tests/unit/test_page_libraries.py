"""The page's libraries are copied with imports that a browser can follow, and only the icons in use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ci import page_libraries

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "app" / "web" / "static"
VENDOR = STATIC / "vendor"


def test_bare_specifiers_become_relative_paths() -> None:
    text = 'import{h}from"preact";import { x } from \'@preact/signals-core\';\nexport*from"preact/hooks";\n'
    assert page_libraries.relative(text + "//# sourceMappingURL=a.map\n") == (
        'import{h}from"./preact.js";import { x } from "./signals-core.js";\nexport*from"./hooks.js";\n'
    )


def test_unknown_library_is_refused() -> None:
    with pytest.raises(page_libraries.LibraryError, match="called react"):
        page_libraries.relative('import x from "react";')


def test_every_import_of_a_copied_module_is_there() -> None:
    for module in VENDOR.rglob("*.js"):
        for path in re.findall(r"""^import\b.*\bfrom\s*["']([^"']+)["']""", module.read_text(), re.MULTILINE):
            assert path.startswith("."), (module.name, path)
            assert (module.parent / path).is_file(), (module.name, path)


def test_sprite_has_the_icons_that_sources_name() -> None:
    named = page_libraries.icons_of(STATIC)
    assert "shield-check" in named
    assert re.findall(r'<symbol id="([^"]+)"', (VENDOR / "icons.svg").read_text()) == named


def test_icon_that_lucide_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(page_libraries.LibraryError, match="no icon house"):
        page_libraries.sprite(["house"], tmp_path)


def test_each_library_has_its_licence_beside_it() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for library in json.loads((VENDOR / "libraries.json").read_text()):
        assert library["version"] == locked[f"node_modules/{library['name']}"]["version"]
        licence = VENDOR / "licences" / f"{library['name'].lstrip('@').replace('/', '-')}.txt"
        assert licence.read_text().strip()


def test_absent_library_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(page_libraries.LibraryError, match="npm has not installed preact, "):
        page_libraries.make(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_as_it_should_be_stays(tmp_path: Path) -> None:
    """A page that is being served would lose its libraries for a moment, whenever another target of make begins."""
    static = tmp_path / page_libraries.VENDOR.parent
    static.mkdir(parents=True)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    page_libraries.make(tmp_path)
    before = (static / "vendor").stat().st_ino
    page_libraries.make(tmp_path)
    assert (static / "vendor").stat().st_ino == before
    (static / "one.js").write_text('const icon = "house"; html`<${Icon} icon="house" />`;')
    page_libraries.make(tmp_path)
    assert "house" in (static / "vendor" / "icons.svg").read_text()
    assert [path.name for path in static.parent.iterdir()] == ["static"]
