"""The page writes what it is told as text: a name from the LAN must not become HTML."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "app" / "web" / "static"
PARSES_HTML = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|setHTMLUnsafe|srcdoc)\b"
    r"|document\.write|\beval\(|new Function\b"
)


def test_no_script_of_the_page_parses_html() -> None:
    scripts = sorted(path for path in PAGE.rglob("*.js") if path.parent.name != "vendor")
    assert scripts
    assert [path.name for path in scripts if PARSES_HTML.search(path.read_text())] == []
