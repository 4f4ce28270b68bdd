"""The page's libraries: copies what the page loads from ``node_modules`` to ``app/web/static/vendor``.

npm has checked them against the hashes of ``package-lock.json``. Browsers know no bare specifiers such as "preact", and
an import map would need an inline script, so each becomes a relative path. Of the icons, one sprite is made of those
that the page's sources name. The declarations beside the modules are for tsc alone.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
VENDOR = Path("app/web/static/vendor")

MODULES = {  # bare specifier -> file in node_modules, name in vendor
    "preact": ("preact/dist/preact.mjs", "preact.js"),
    "preact/hooks": ("preact/hooks/dist/hooks.mjs", "hooks.js"),
    "@preact/signals-core": ("@preact/signals-core/dist/signals-core.mjs", "signals-core.js"),
    "@preact/signals": ("@preact/signals/dist/signals.mjs", "signals.js"),
    "htm": ("htm/dist/htm.mjs", "htm.js"),
    "uplot": ("uplot/dist/uPlot.esm.js", "uplot.js"),
}
DECLARATIONS = {  # file in node_modules -> name in vendor
    "preact/src/index.d.ts": "preact.d.ts",
    "preact/src/jsx.d.ts": "jsx.d.ts",
    "preact/src/dom.d.ts": "dom.d.ts",
    "preact/hooks/src/index.d.ts": "hooks.d.ts",
    "@preact/signals-core/dist/signals-core.d.ts": "signals-core.d.ts",
    "@preact/signals/dist/signals.d.ts": "signals.d.ts",
    "htm/dist/htm.d.ts": "htm.d.ts",
    "uplot/dist/uPlot.d.ts": "uplot.d.ts",
}
AS_THEY_ARE = ("qr/decode.js", "qr/index.js", "qr/decode.d.ts", "qr/index.d.ts")  # they import each other alone
PACKAGES = ("preact", "@preact/signals", "@preact/signals-core", "htm", "uplot", "qr", "lucide-static")

IMPORTED = re.compile(r"""(\bfrom\s*|\bimport\s*\(?\s*)(["'])([@\w][\w@/-]*|[./]+(?:src/)?index)\2""")
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
ICON = re.compile(r"""\bicon(?:=|: )"([a-z0-9-]+)\"""")
SHAPES = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


class LibraryError(Exception):
    """A library or an icon is not there; the message names it."""


def relative(text: str) -> str:
    """The module or declaration, importing its libraries from the same directory."""

    def local(match: re.Match[str]) -> str:
        bare = "preact" if match[3].endswith("/index") else match[3]  # as preact's own declarations name it
        if bare not in MODULES:
            raise LibraryError(f"no library of the page is called {bare}")
        return f'{match[1]}"./{MODULES[bare][1]}"'

    return SOURCE_MAP.sub("", IMPORTED.sub(local, text)).rstrip() + "\n"


def icons_of(static: Path) -> list[str]:
    """The icons that the page's sources name, as ``icon="house"`` or ``icon: "house"``."""
    sources = (path for path in static.rglob("*.js") if VENDOR.name not in path.relative_to(static).parts)
    return sorted({name for path in sources for name in ICON.findall(path.read_text())})


def sprite(names: list[str], icons: Path) -> str:
    """The icons as symbols of one SVG, with what lucide draws them by left to the style sheet."""
    symbols: list[str] = []
    for name in names:
        path = icons / f"{name}.svg"
        if not path.is_file():
            raise LibraryError(f"lucide has no icon {name}")
        drawn = SHAPES.search(path.read_text())
        assert drawn is not None
        shapes = re.sub(r"\s+", " ", drawn[1]).replace("> <", "><").strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "\n".join(symbols) + "</svg>\n"


def _package(modules: Path, name: str) -> dict[str, str]:
    described = json.loads((modules / name / "package.json").read_text())
    return {key: described[key] for key in ("name", "version", "license")}


def make(project: Path = PROJECT) -> None:
    """Make the vendor directory anew where it is not as it should be. Raises LibraryError; then the old one stays."""
    modules, vendor = project / "node_modules", project / VENDOR
    absent = [name for name in PACKAGES if not (modules / name / "package.json").is_file()]
    if absent:
        raise LibraryError(f"npm has not installed {', '.join(absent)}")
    with tempfile.TemporaryDirectory(dir=vendor.parent.parent, prefix=".vendor-") as scratch:
        made = Path(scratch) / vendor.name
        _copy(modules, made, icons_of(vendor.parent))
        if _content(made) != _content(vendor):  # a page that is being served loses nothing that stays
            shutil.rmtree(vendor, ignore_errors=True)
            made.rename(vendor)


def _copy(modules: Path, made: Path, icons: list[str]) -> None:
    for folder in ("licences", "qr"):
        (made / folder).mkdir(parents=True)
    for source, name in [*MODULES.values(), *DECLARATIONS.items()]:
        (made / name).write_text(relative((modules / source).read_text()))
    for name in AS_THEY_ARE:
        shutil.copyfile(modules / name, made / name)
    (made / "icons.svg").write_text(sprite(icons, modules / "lucide-static" / "icons"))
    for name in PACKAGES:
        shutil.copyfile(modules / name / "LICENSE", made / "licences" / f"{name.replace('/', '-').lstrip('@')}.txt")
    packages = [_package(modules, name) for name in PACKAGES]
    (made / "libraries.json").write_text(json.dumps(packages, indent=1) + "\n")


def _content(directory: Path) -> dict[Path, bytes]:
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def main() -> int:
    try:
        make()
    except (LibraryError, OSError) as error:
        print(f"page_libraries: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
