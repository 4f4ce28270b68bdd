"""The page has words for whatever the gateway tells by a code: reasons of stopped packets, alerts, probes, promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from app.network.port_filters import WAN_PORT
from app.network.ruleset import bridge, refusals
from app.protocol.canary import ProbeKind

ROOT = Path(__file__).parents[3]
WORDS = (ROOT / "app" / "web" / "static" / "messages" / "en" / "protection.js").read_text()
PROMISES = (ROOT / "app" / "web" / "static" / "views" / "protection" / "promises.js").read_text()
SAID_BY_A_VIEW = {"no_password", "device_waiting"}  # store/alerts.js: what a view says needs no alert
ALERT = re.compile(r"""SecurityAlert\(\s*"(\w+)\"""")
NUMBERED = re.compile(r"^\d+\. \*\*", re.MULTILINE)


def said(group: str) -> set[str]:
    return set(re.findall(rf'"{group}\.(\w+)"', WORDS))


@pytest.mark.parametrize("group", ["stopped", "stopped_why"])
def test_every_reason_of_stopped_packets_is_explained(group: str) -> None:
    assert said(group) == {*refusals.REASONS, *bridge.REASONS, WAN_PORT, "other"}


@pytest.mark.parametrize("group", ["alarm", "alarm_next"])
def test_every_alert_says_what_it_means(group: str) -> None:
    raised = {code for path in (ROOT / "app").rglob("*.py") for code in ALERT.findall(path.read_text())}
    assert raised - SAID_BY_A_VIEW - said(group) == set()


def test_every_probe_has_a_name() -> None:
    assert said("probe") == set(get_args(ProbeKind))


def test_every_promise_of_the_documentation_is_told() -> None:
    documented = NUMBERED.findall((ROOT / "docs" / "security.md").read_text().partition("\n## ")[0])
    told = re.findall(r'^  "(\w+)",$', PROMISES, re.MULTILINE)
    assert len(told) == len(documented)
    assert said("promise") == said("promise_how") == set(told)
