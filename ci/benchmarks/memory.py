"""Memory of all our processes, as proportional set size (PSS, proc(5))."""

from __future__ import annotations

from ci.benchmarks.result import Result
from ci.labnet import Lab

PROCESSES = ("netd", "web", "capture")


def _pss(lab: Lab, name: str) -> float:
    """The proportional set size in megabytes."""
    pid = (lab.directory / f"{name}.pid").read_text()
    text = lab.hosts["gateway"].run("cat", f"/proc/{pid}/smaps_rollup").stdout
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def measure(lab: Lab) -> list[Result]:
    lab.api("POST", "/api/connect", {"server": "vpn-se"})
    for _ in range(100):
        lab.api("GET", "/api/status")
    ours = [name for name in PROCESSES if (lab.directory / f"{name}.pid").exists()]
    sizes = [_pss(lab, name) for name in ours]
    shown = " ".join(f"{size:.0f}" for size in sizes)
    return [Result(f"memory: PSS of {', '.join(ours)}", f"{shown} MB", "-", sum(sizes), 80, " MB")]
