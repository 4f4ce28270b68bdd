"""The way of a subscriber, by the API alone: sign in, "Sweden", the server dies, another takes over, log out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ci.labnet import Lab, Packet
from ci.labnet.addresses import INTERNET4, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump
from tests.lab.provider import LabProviders
from tests.support.providers.mullvad import ACCOUNT, Mullvad, relay, relay_list

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(300)]

HOSTS = {"se-sto-wg-001": "vpn-se", "se-got-wg-001": "vpn-de"}  # the lab has two servers: both are in Sweden here
API = 443  # the LAN's hosts send nothing to this TCP port, so that what goes there is the gateway's own


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


def asked_of_the_provider(packet: Packet) -> bool:
    return (packet.protocol, packet.destination, packet.dport) == (6, INTERNET4, API)


def split(found: list[Packet]) -> tuple[list[Packet], list[Packet]]:
    """(to the provider's API, everything else)"""
    asked = [p for p in found if asked_of_the_provider(p)]
    return asked, [p for p in found if not asked_of_the_provider(p)]


def measured(packet: Packet) -> bool:
    """Asked how far a server of the list is."""
    return packet.protocol == 6 and packet.destination in {VPNS[h][0] for h in HOSTS.values()} and packet.dport == API


def servers(lab: Lab) -> dict[str, Any]:
    return lab.api("GET", "/api/servers?provider=mullvad")["servers"]


def test_a_wrong_account_number_changes_nothing(lab: Lab, mullvad: Mullvad) -> None:
    before = lab.api("GET", "/api/providers/mullvad")
    status, body = lab.api.request(
        "POST", "/api/providers/mullvad/login", {"credentials": {"account_number": "9" * 16}}
    )
    answer = json.loads(body)
    assert (status, answer["field"]) == (422, "account_number"), answer
    assert lab.api("GET", "/api/providers/mullvad") == before
    assert mullvad.peers() == []


def test_from_signing_in_to_logging_out(lab: Lab, mullvad: Mullvad, capsys: pytest.CaptureFixture[str]) -> None:
    with LeakWatch(lab) as signing_in:
        answer = lab.api("POST", "/api/providers/mullvad/login", {"credentials": {"account_number": ACCOUNT}})
        assert answer["success"], f"{answer}\n{lab.gateway.logs()}"
    asked, others = split(signing_in.leaks)
    assert asked, "nothing was asked in the clear, though there was no tunnel"
    assert others == [], dump(others)
    assert answer["account"]["days_left"] in {41, 42}
    assert ACCOUNT not in json.dumps(answer)
    assert {s["hostname"] for s in [*servers(lab)["Sweden"]["Stockholm"], *servers(lab)["Sweden"]["Gothenburg"]]} == {
        *HOSTS
    }
    assert lab.api("POST", "/api/provider/mullvad")["success"]

    with LeakWatch(lab) as failing_over:
        connected = lab.api("POST", "/api/connect", {"server": "Sweden"})
        assert connected["success"], f"{connected}\n{lab.gateway.logs()}"
        first = connected["server"]
        (second,) = HOSTS.keys() - {first}
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/").strip() == VPNS[HOSTS[first]][0]

        lab.vpn.mute(HOSTS[first])
        try:
            wait_for(
                "another server to take over",
                lambda: (
                    lab.api("GET", "/api/status").get("server") == second
                    and lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=1, check=False).strip()
                    == VPNS[HOSTS[second]][0]
                ),
                90,
            )
        finally:
            lab.vpn.mute(HOSTS[first], mute=False)
    asked, others = split(failing_over.leaks)
    assert others == [], dump(others)
    with capsys.disabled():
        print(f"\n  failover: {dict(failing_over.counts)}, of these to the provider {len(asked)}, leaks {len(others)}")

    history = lab.api("GET", "/api/history?limit=50")["history"]
    moves = [(t["cause"], t["server"]) for t in history]
    assert ("failover", second) in moves, moves

    with LeakWatch(lab) as measuring:
        assert lab.api("POST", "/api/connect", {"server": "fastest:Sweden"})["success"]
    probes = [p for p in measuring.leaks if measured(p)]
    others = [p for p in measuring.leaks if not measured(p)]
    assert 0 < len(probes) <= 2 * len(HOSTS), dump(probes)  # to each a SYN, and at most one packet that ends it
    assert others == [], dump(others)
    assert all(s["latency"] > 0 for city in servers(lab)["Sweden"].values() for s in city)
    chosen = lab.api("GET", "/api/status")["server"]

    (old,) = mullvad.peers()
    assert lab.api("POST", "/api/providers/mullvad/rotate-key")["success"]
    (new,) = mullvad.peers()
    assert new["public_key"] != old["public_key"]
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/").strip() == VPNS[HOSTS[chosen]][0]

    answer = lab.api("POST", "/api/providers/mullvad/logout")
    assert answer["success"], answer
    assert answer.get("warnings", []) == []
    assert mullvad.peers() == []
    assert lab.api("GET", "/api/providers/mullvad")["account"]["signed_in"] is False
    assert lab.api("GET", "/api/status")["state"] == "disconnected"
    assert ACCOUNT not in (lab.gateway.state_dir / "accounts.json").read_text()
    assert ACCOUNT not in lab.gateway.logs()
