"""The page in a real browser on a slow processor: how soon it takes input, and how much is sent for its first view.

``python -m ci.benchmarks.page URL [COOKIE]`` measures any gateway from where it is run, and prints the numbers as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.api.auth.credentials import COOKIE
from ci.benchmarks.result import Result, median
from ci.labnet import Lab
from ci.labnet.addresses import GATEWAY_LAN4
from ci.labnet.owner import SESSION

CHROMIUM = Path(__file__).parents[2] / ".cache" / "chromium"
HOST = "laptop"
ROUNDS = 5
SLOWER = 6  # times: a cheap phone beside the machine that measures
BUDGET = 150.0  # kB, compressed
SOON = 1000.0  # milliseconds
# The page marks its root element once it reacts to input; the state is what its reader came for.
MARKS = """
new MutationObserver(() => {
  const once = (name) => performance.getEntriesByName(name).length || performance.mark(name);
  if ("ready" in document.documentElement.dataset) once("ready");
  if (document.querySelector(".hero .facts, .hero[data-state=blocked]")) once("state");
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
TIMES = "['ready', 'state'].map((name) => performance.getEntriesByName(name)[0].startTime)"


def look(url: str, session: str, slower: int = SLOWER) -> dict[str, float]:
    """Open the page once with an empty cache: milliseconds until it takes input and shows its state, and kilobytes."""
    from playwright.sync_api import Response, sync_playwright

    sizes: list[int] = []

    def count(response: Response) -> None:
        if "/api/" not in response.url:
            sizes.append(response.request.sizes()["responseBodySize"])

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context()
        context.add_cookies([{"name": COOKIE, "value": session, "url": url}])
        page = context.new_page()
        page.add_init_script(MARKS)
        page.on("response", count)
        devtools = context.new_cdp_session(page)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.goto(url, wait_until="networkidle")  # nothing of playwright's own runs on the slow processor until then
        page.wait_for_selector(".hero .facts, .hero[data-state=blocked]")
        ready, state = page.evaluate(TIMES)
        browser.close()
    return {"ready": ready, "state": state, "size": sum(sizes) / 1000}


def measure(lab: Lab) -> list[Result]:
    lab.api("POST", "/api/connect", {"server": "vpn-se"})
    url = f"http://{GATEWAY_LAN4}:5000"
    done = lab.hosts[HOST].run(sys.executable, "-m", "ci.benchmarks.page", url, SESSION, timeout=300.0)
    return results(json.loads(done.stdout))


def results(found: list[dict[str, float]]) -> list[Result]:
    middle = {name: median([each[name] for each in found]) for name in found[0]}

    def line(what: str, name: str) -> Result:
        return Result(f"page, {SLOWER}x slower: {what}", f"{middle[name]:.0f} ms", "-", middle[name], SOON, " ms")

    return [
        line("it takes input", "ready"),
        line("it shows the state", "state"),
        Result("page: sent for the first view", f"{middle['size']:.0f} kB", "-", middle["size"], BUDGET, " kB"),
    ]


def main(arguments: list[str]) -> None:
    url, *rest = arguments
    found: list[dict[str, Any]] = [look(url, rest[0] if rest else "") for _ in range(ROUNDS)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
