"""Memory of both processes, as proportional set size (PSS, proc(5))."""

from __future__ import annotations

from ci.benchmarks.result import Result
from ci.labnet import Lab


def _pss(lab: Lab, name: str) -> float:
    """The proportional set size in megabytes."""
    pid = (lab.directory / f"{name}.pid").read_text()
    text = lab.hosts["gateway"].run("cat", f"/proc/{pid}/smaps_rollup").stdout
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def measure(lab: Lab) -> list[Result]:
    lab.api("POST", "/api/connect", {"server": "vpn-se"})
    for _ in range(100):
        lab.api("GET", "/api/status")
    netd, web = _pss(lab, "netd"), _pss(lab, "web")
    return [Result("memory: PSS of netd and web", f"{netd:.1f} MB", f"{web:.1f} MB", netd + web, 80, " MB")]
