"""An expired account and a revoked key, end to end: distinguished, without a leak, and recovered at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump
from tests.lab.provider import LabProviders
from tests.lab.test_signed_in import HOSTS, split
from tests.support.providers.mullvad import ACCOUNT, Mullvad, relay, relay_list

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(400)]

SERVER = "se-sto-wg-001"
EXIT4 = VPNS[HOSTS[SERVER]][0]


@pytest.fixture(scope="module")
def mullvad(lab: Lab) -> Iterator[Mullvad]:
    relays = [
        relay(name, VPNS[host][0], lab.vpn.keys(host)["public_key"], ipv6_addr_in=VPNS[host][1])
        for name, host in HOSTS.items()
    ]
    stand_in = Mullvad(relays=relay_list(*relays))
    providers = LabProviders(lab)
    try:
        providers.serve(stand_in)
        providers.configure({"mullvad": "https://api.mullvad.net"})
        yield stand_in
    finally:
        providers.stop()


def the_exit(lab: Lab) -> dict[str, Any]:
    return lab.api("GET", "/api/status")["exits"][0]


def goes_out(lab: Lab, timeout: float = 1) -> bool:
    return lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=timeout, check=False).strip() == EXIT4


def contacts(lab: Lab) -> dict[str, int]:
    """Exchanges with providers, by way, as /metrics tells them."""
    _, text = lab.api.request("GET", "/metrics")
    found = re.findall(r'^vpn_gateway_provider_contacts_total\{way="(\w+)"\} (\d+)', text.decode(), re.MULTILINE)
    return {way: int(count) for way, count in found}


def blocked_because(lab: Lab, reason: str) -> dict[str, Any]:
    wait_for(f"the exit to be blocked: {reason}", lambda: the_exit(lab)["reason"] == reason, 90)
    found = the_exit(lab)
    assert found["state"] == "blocked"
    assert lab.api("GET", "/api/providers/mullvad")["account"]["problem"] == reason
    assert not goes_out(lab)
    return found


def test_expired_and_revoked_accounts_are_distinguished(
    lab: Lab, mullvad: Mullvad, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = {"credentials": {"account_number": ACCOUNT}}
    assert lab.api("POST", "/api/providers/mullvad/login", credentials)["success"]
    assert lab.api("POST", "/api/provider/mullvad")["success"]
    assert lab.api("POST", "/api/connect", {"server": SERVER})["success"]
    wait_for("the tunnel", lambda: goes_out(lab))

    with LeakWatch(lab) as watch:
        mullvad.expired = True  # its keys stop working with it, as at the provider
        found = blocked_because(lab, "account_expired")
        assert "expired" in found["message"]
        assert found["server"] == SERVER, "another server was tried, though none could work"
        status, body = lab.api.request("POST", "/api/connect", {"server": SERVER})
        assert (status, json.loads(body)["code"]) == (409, "account_expired"), body

        mullvad.expired = False  # time was added: the gateway recovers without any action
        wait_for("the exit to come back", lambda: goes_out(lab), 90)
        assert the_exit(lab)["reason"] is None

        mullvad.revoke_devices()
        found = blocked_because(lab, "key_revoked")
        assert "sign in again" in found["message"]

        assert lab.api("POST", "/api/providers/mullvad/login", credentials)["success"]
        wait_for("the exit to come back after the sign-in", lambda: goes_out(lab), 15)  # no back-off is waited out
        assert lab.api("GET", "/api/providers/mullvad")["account"]["problem"] is None
    asked, others = split(watch.leaks)
    assert asked, "the provider was not asked in the clear, though there was no tunnel"
    assert others == [], dump(others)
    counted = contacts(lab)
    assert counted["clear"] > 0, counted
    with capsys.disabled():
        print(f"\n  account trouble: {dict(watch.counts)}, of these to the provider {len(asked)}, leaks {len(others)}")

    causes = [t["cause"] for t in lab.api("GET", "/api/history?limit=50")["history"]]
    assert "failover" not in causes, causes
    assert len(mullvad.peers()) == 1
    assert lab.api("POST", "/api/providers/mullvad/logout")["success"]
    assert mullvad.peers() == []


def test_a_new_account_takes_the_tunnel_over_without_a_break(lab: Lab, mullvad: Mullvad) -> None:
    other = "5555555555555555"
    mullvad.accounts[other] = mullvad.accounts[ACCOUNT]
    assert lab.api("POST", "/api/providers/mullvad/login", {"credentials": {"account_number": ACCOUNT}})["success"]
    assert lab.api("POST", "/api/provider/mullvad")["success"]
    assert lab.api("POST", "/api/connect", {"server": SERVER})["success"]
    (old,) = mullvad.peers()
    with LeakWatch(lab) as watch:
        assert lab.api("POST", "/api/providers/mullvad/login", {"credentials": {"account_number": other}})["success"]
        assert goes_out(lab, 10), "the tunnel did not follow"
    assert watch.leaks == [], dump(watch.leaks)  # also what was asked of the provider went through the tunnel
    (new,) = mullvad.peers()
    assert new["public_key"] != old["public_key"]
    assert [len(mullvad.devices[a]) for a in (ACCOUNT, other)] == [0, 1]
    last = lab.api("GET", "/api/history?limit=1")["history"][0]
    assert (last["cause"], last["server"]) == ("key_changed", SERVER)
    assert lab.api("POST", "/api/providers/mullvad/logout")["success"]
