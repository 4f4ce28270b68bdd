"""Generated requests against the real netd: what it answers is as described too, and its tunnel outlives them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS
from ci.labnet.owner import AUTHORIZATION, own
from tests.support import conformance
from tests.support.web_server import WebServer

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(540)]

EXAMPLES = 15
# They ask servers on the Internet, which the lab does not have, so that 503 is the truth.
ELSEWHERE = "^/api/(providers/|leak-test)"


def test_the_real_netd(lab: Lab, tmp_path: Path) -> None:
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    root = Path(f"/proc/{lab.hosts['gateway'].init}/root")
    # Through a web process without rate limits: the lab's own has those of the product.
    own(tmp_path)
    with WebServer(netd=root / "run/vpn-gateway/netd.sock", state_dir=tmp_path) as server:
        options = ("--exclude-path-regex", ELSEWHERE)
        report = conformance.run(tmp_path, server.url, EXAMPLES, *options, headers=AUTHORIZATION, timeout=500)
    assert report.returncode == 0, report.output
    assert report.server_errors() == {}
    assert lab.api("POST", "/api/provider/custom")["success"]
    assert lab.api("POST", "/api/connect", {"server": "vpn-de"})["success"]
    undo_decisions(lab, LAN_HOSTS["laptop"])
    seen = lab.hosts.http("laptop", f"http://{INTERNET4}/", check=False)
    assert seen == VPNS["vpn-de"][0], lab.api("GET", f"/api/devices/{LAN_HOSTS['laptop']}/why")
    assert lab.api("GET", "/api/status")["killswitch_active"] is True
    print(f"{report.cases} cases, {len(report.statuses)} operations")


def undo_decisions(lab: Lab, mac: str) -> None:
    """Undo what generated requests may have decided about a device, whose MAC address the list of devices tells.

    They may have let it out in the clear, blocked it, or have forgotten it while new devices are to wait. Nothing else
    may let it out in the clear, or keep it from the Internet.
    """
    for exception in lab.api("GET", "/api/exceptions")["exceptions"]:
        assert lab.api("DELETE", f"/api/exceptions/{exception['id']}")["success"]
    device = f"/api/devices/{mac}"
    assert lab.api("PUT", f"{device}/schedule", {"schedule": []})["success"]
    assert lab.api("PUT", f"{device}/policy", {"policy": "vpn"})["success"]
    if not next(one for one in lab.api("GET", "/api/devices")["devices"] if one["mac"] == mac)["admitted"]:
        assert lab.api("POST", f"{device}/admit")["success"]
