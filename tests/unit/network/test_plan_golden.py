"""The complete plan of each scenario as golden files, which ``UPDATE_GOLDEN=1 pytest ...`` rewrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.network.plan import NetworkPlan
from app.network.planner import plan
from tests.unit.network.scenarios import SCENARIOS

GOLDEN = Path(__file__).with_name("golden")


def text(made: NetworkPlan) -> str:
    """Rules, routes, links, addresses and sysctls as lines, then the ruleset as it is loaded."""
    lines: list[str] = []
    for rule in made.rules:
        words = {k: v for k, v in rule.__rich_repr__() if v is not None and k not in {"priority", "family", "action"}}
        says = " ".join(f"{k} {v}" for k, v in words.items())
        lines.append(f"rule {rule.priority} IPv{rule.family}: {says or rule.action}")
    lines += [
        f"route table {r.table} {r.dst} {r.kind}"
        + (f" dev {r.oif}" if r.oif else "")
        + (f" via {r.gateway}" if r.gateway else "")
        + (f" metric {r.metric}" if r.metric else "")
        for r in made.routes
    ]
    lines += [f"link {link.name} mtu {link.mtu} {' '.join(map(str, link.addresses))}" for link in made.links]
    lines += [f"address {name} {address}" for name, address in made.lan_addresses]
    lines += [f"sysctl {name} = {value}" for name, value in made.sysctls]
    lines += [
        f"filter {e.interface}: {' '.join(hex(m) for m in e.marks)} {' '.join(map(str, e.lan))}".rstrip()
        for e in made.egress
    ]
    lines += [f"bridge {made.bridge.name}: {' '.join(made.bridge.ports)}"] if made.bridge else []
    return "\n".join(lines) + "\n\n" + made.transaction


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_plan_matches_its_golden_file(name):
    path = GOLDEN / f"{name}.txt"
    made = text(plan(SCENARIOS[name]()))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(made)
    assert made == path.read_text()


def test_golden_files_and_scenarios_correspond():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SCENARIOS)
