"""What shuts people out of a view, as axe finds it in the real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def barriers(page: Page) -> list[str]:
    """A line for each barrier in the present view."""
    page.evaluate(AXE.read_text())  # not as a script element, which the page's policy refuses
    found = page.evaluate("(standards) => axe.run({ runOnly: standards })", STANDARDS)
    return [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
