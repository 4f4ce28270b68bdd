"""What is explained is what real packets do: for several devices, in several states, and foretold before each fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import GATEWAY_LAN4, INTERNET4, LAN_HOSTS, VPNS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.test_devices import connect, policy, resolver_of
from tests.lab.ways import exit_address, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(300)]

ME = f"http://{GATEWAY_LAN4}:5000/api/me"


@pytest.fixture(scope="module", autouse=True)
def two_exits(lab):
    connect(lab, "vpn-se")
    connect(lab, "vpn-de", "second")


def ways(lab: Lab) -> dict[str, tuple[str, str | None]]:
    """The way of each address that the Internet may see."""
    wan = lab.api("GET", "/api/status")["wan"]
    own = [a.partition("/")[0] for a in wan["addresses"]] if wan else []
    return {
        VPNS["vpn-se"][0]: ("tunnel", "default"),
        VPNS["vpn-de"][0]: ("tunnel", "second"),
        "": ("blocked", None),
        **dict.fromkeys(own, ("clear", None)),
    }


def explained(lab: Lab, host: str, **question: Any) -> tuple[str, str | None]:
    body = {"device": host, "destination": INTERNET4, "port": 80, **question}
    answer = lab.api("POST", "/api/explain", body)
    (path,) = answer["paths"]
    verdict = "blocked" if path["verdict"] == "lost" else path["verdict"]
    return verdict, path["exit"] if verdict == "tunnel" else None


def compare(lab: Lab) -> dict[str, tuple[str, str | None]]:
    """Compare the explanation for each host with what the Internet sees of it; returns both, which are the same."""
    known = ways(lab)
    real = {host: known[seen_as(lab, host)] for host in LAN_HOSTS}
    assert {host: explained(lab, host) for host in LAN_HOSTS} == real
    states = {"tunnel": "vpn", "clear": "direct", "blocked": "blocked"}
    for host, (verdict, exit_name) in real.items():
        why = lab.api("GET", f"/api/devices/{LAN_HOSTS[host]}/why")
        assert why["state"] == states[verdict], why
        assert verdict == "blocked" or why["exit"] == exit_name, why
        assert bool(why["next_step"]) == (verdict == "blocked"), why
    return real


def own(lab: Lab, host: str, change: dict[str, object] | None = None) -> dict[str, Any]:
    """``/api/me`` as the host itself asks for it, without any credentials."""
    sending = (
        [] if change is None else ["-X", "PATCH", "-H", "Content-Type: application/json", "-d", json.dumps(change)]
    )
    return json.loads(lab.hosts.exec(host, ["curl", "-sS", "-m", "20", *sending, ME]).stdout)


def test_explanations_are_what_packets_do_and_faults_are_foretold(lab):
    policy(lab, "phone", "vpn:second")
    policy(lab, "tv", "blocked")
    assert compare(lab) == {"laptop": ("tunnel", "default"), "phone": ("tunnel", "second"), "tv": ("blocked", None)}

    # Another policy.
    foretold = explained(lab, "tv", **{"if": {"policy": "direct"}})
    policy(lab, "tv", "direct")
    wait_for("the TV to come out directly", lambda: seen_as(lab, "tv"))
    assert compare(lab)["tv"] == foretold == ("clear", None)

    # An exit dies.
    foretold = {h: explained(lab, h, **{"if": {"exit_down": "second"}}) for h in LAN_HOSTS}
    assert lab.api("POST", "/api/disconnect", {"exit": "second"})["success"]
    assert compare(lab) == foretold
    why = lab.api("GET", f"/api/devices/{LAN_HOSTS['phone']}/why")
    assert (why["rule"], why["counter"], why["sentence"]) == (
        "blocked",
        "drop_blocked",
        "phone has no Internet: its exit second is not connected.",
    )
    before = why["packets"]
    assert seen_as(lab, "phone") == ""
    assert lab.api("GET", f"/api/devices/{LAN_HOSTS['phone']}/why")["packets"] > before
    connect(lab, "vpn-de", "second")

    # The WAN is pulled out: at once, and once the exits have noticed.
    foretold = {h: explained(lab, h, **{"if": {"wan_down": True}}) for h in LAN_HOSTS}
    lab.internet.wan_link(False)
    try:
        wait_for("the loss of the WAN", lambda: not (lab.api("GET", "/api/status")["wan"] or {}).get("up"))
        assert {h: explained(lab, h) for h in LAN_HOSTS} == foretold
        assert {h: seen_as(lab, h) for h in LAN_HOSTS} == dict.fromkeys(LAN_HOSTS, "")
    finally:
        lab.internet.wan_link(True)
    wait_for("the tunnels to be back", lambda: seen_as(lab, "laptop") and seen_as(lab, "phone"), timeout=90)
    wait_for("the TV to be back", lambda: seen_as(lab, "tv"), timeout=60)
    wait_for("netd to know of it", lambda: (lab.api("GET", "/api/status")["wan"] or {}).get("up"))
    wait_for(
        "both exits", lambda: [one["state"] for one in lab.api("GET", "/api/status")["exits"]] == ["connected"] * 2
    )
    assert compare(lab)["phone"] == ("tunnel", "second")


def test_name_is_looked_up_as_the_device_would(lab):
    assert lab.api("PATCH", "/api/settings", {"rebind_exceptions": ["lab"]})["rebind_exceptions"] == ["lab"]

    def looked(host: str) -> dict[str, Any]:
        return lab.api("POST", "/api/explain", {"device": host, "destination": "whoami.lab", "port": 80})

    policy(lab, "laptop", "vpn")
    policy(lab, "tv", "blocked")
    wait_for("the resolvers to answer", lambda: looked("laptop")["lookup"]["addresses"])
    found = looked("laptop")["lookup"]
    asked = lab.hosts.exec("laptop", ["dig", "+short", "+time=2", "+tries=1", "whoami.lab"]).stdout.split()
    assert (found["exit"], found["addresses"][: len(asked)]) == ("default", asked)
    policy(lab, "tv", "direct")
    wait_for("the WAN's resolver to answer the TV", lambda: resolver_of(lab, "tv") == "internet")
    with lab.hosts.capture("isp", "wan", expression="port 53") as capture:
        assert looked("laptop")["lookup"]["addresses"]
        assert looked("tv")["lookup"]["exit"] is None  # and nobody is asked, since that would be in the clear
    assert [str(p) for p in capture.packets if b"whoami" in p.payload] == []
    with lab.hosts.capture("isp", "wan", expression="port 53") as capture:  # the control
        assert resolver_of(lab, "tv") == "internet"
    assert [p for p in capture.packets if b"whoami" in p.payload]
    local = lab.api("POST", "/api/explain", {"device": "tv", "destination": "vpn-gateway.lan", "port": 5000})
    assert (local["verdict"], local["paths"][0]["address"]) == ("gateway", GATEWAY_LAN4)


def test_device_decides_what_its_admin_allows(lab):
    for host in LAN_HOSTS:
        policy(lab, host, "vpn")
    me = own(lab, "laptop")
    assert (me["mac"], me["state"], me["self_service"]) == (LAN_HOSTS["laptop"], "vpn", "off")
    assert own(lab, "laptop", {"exit": "second"})["code"] == "not_allowed"
    assert own(lab, "laptop", {"pause": 60})["code"] == "not_allowed"

    path = f"/api/devices/{LAN_HOSTS['laptop']}/self-service"
    assert lab.api("PUT", path, {"allow": "all", "exits": ["second"], "password": PASSWORD})["success"]
    assert own(lab, "phone")["self_service"] == "off"
    assert own(lab, "laptop", {"exit": "second"})["chosen_exit"] == "second"
    assert exit_address(lab, "laptop") == VPNS["vpn-de"][0]
    assert exit_address(lab, "phone") == VPNS["vpn-se"][0]
    assert compare(lab)["laptop"] == ("tunnel", "second")

    # A pause is an exception, which the admin ends by blocking the device.
    paused = own(lab, "laptop", {"pause": 60})
    assert paused["pause"] is not None, paused
    wait_for("the laptop to come out directly", lambda: ways(lab).get(seen_as(lab, "laptop")) == ("clear", None))
    assert compare(lab)["laptop"] == ("clear", None)
    policy(lab, "laptop", "blocked")
    wait_for("the pause to end", lambda: lab.api("GET", "/api/exceptions")["exceptions"] == [])
    assert compare(lab)["laptop"] == ("blocked", None)
    assert own(lab, "laptop", {"pause": 60})["code"] == "blocked_by_admin"
    assert own(lab, "laptop", {"exit": "second"})["code"] == "blocked_by_admin"
    policy(lab, "laptop", "vpn")
    assert exit_address(lab, "laptop") == VPNS["vpn-de"][0]  # its choice counts again
    assert lab.api("PUT", path, {"allow": "off"})["success"]
    wait_for("the admin's exit", lambda: seen_as(lab, "laptop") == VPNS["vpn-se"][0])
    assert compare(lab)["laptop"] == ("tunnel", "default")
