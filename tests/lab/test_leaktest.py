"""The leak test finds what is there to be found, on the real gateway."""

from __future__ import annotations

import pytest

from app.network.plan import NFT_TABLE
from ci.labnet import Lab
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(120)]


def results(lab: Lab) -> dict[str, str]:
    return {c["name"]: c["result"] for c in lab.api("POST", "/api/leak-test", {})["checks"]}


def test_all_is_well_while_connected(lab: Lab) -> None:
    lab.api("POST", "/api/provider/custom")
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]

    def all_well() -> bool:
        """Whether each check could be made: on a machine that is busy elsewhere a round of probes may be late."""
        found = results(lab)
        assert "failed" not in found.values(), found
        return set(found.values()) == {"ok"}

    wait_for("all checks to be made", all_well, 30, interval=2)  # a result is shared for two seconds
    lines = lab.api("GET", "/api/logs")["lines"]
    assert any("connected to custom/vpn-se" in line["message"] for line in lines)


def test_a_hole_made_on_purpose_is_found(lab: Lab) -> None:
    """netd closes it within a second: so it is made again and again, and the test tells also what is closed by then."""
    script = f"while :; do nft insert rule inet {NFT_TABLE} forward accept; sleep 0.05; done"
    drilling = lab.hosts.popen("gateway", ["sh", "-c", script])
    try:
        wait_for("the hole to be found", lambda: results(lab).get("rules") == "failed", 20)
    finally:
        lab.hosts.exec("gateway", ["pkill", "-f", "nft insert rule"])  # nsenter's child would outlive it
        drilling.wait(10)
    wait_for("the hole to be closed", lambda: results(lab).get("rules") == "ok", 20)


def test_leak_test_while_disconnected_finds_no_leak(lab: Lab) -> None:
    assert lab.api("POST", "/api/disconnect")["success"]
    checks = lab.api("POST", "/api/leak-test", {})["checks"]
    found = {check["name"]: check["result"] for check in checks}
    assert (found["tunnel"], found["rules"], found["kill_switch"]) == ("unknown", "ok", "ok"), checks
