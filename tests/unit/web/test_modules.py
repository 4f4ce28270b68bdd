"""The modules of the first view are all found, and what is loaded later is not."""

from __future__ import annotations

from app.web.modules import links, needed


def test_modules_are_found_through_folders() -> None:
    sources = {
        "main.js": 'import { a } from "./store/a.js";\nimport "./b.js";\nawait import("./later.js");\n',
        "store/a.js": 'import {\n  one,\n  two,\n} from "../lib/c.js";\nexport { d } from "./d.js";\n',
        "b.js": 'import x from"./lib/c.js";import{y}from"./store/d.js";',
        "lib/c.js": "",
        "store/d.js": 'import "./not-there.js";',
        "later.js": "",
    }
    assert needed("main.js", sources) == ["main.js", "store/a.js", "b.js", "lib/c.js", "store/d.js"]


def test_links_name_the_modules() -> None:
    assert links(["a.js"]) == '<link rel="modulepreload" href="/static/a.js">'
