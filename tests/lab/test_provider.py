"""Providers in the lab: what netd asks of them leaves by one way only, and their servers carry the LAN's traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app import keys
from app.atomic import write_atomic
from app.providers.mullvad import MullvadProvider
from app.providers.nordvpn import NordVpnProvider
from app.providers.pia import PiaProvider
from ci.benchmarks.switch import longest_silence
from ci.labnet import Lab, Packet
from ci.labnet.addresses import INTERNET4, VPN_PORT, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump
from tests.lab.provider import RESOLVER, LabProviders
from tests.support.pauses import least
from tests.support.providers import nordvpn, pia
from tests.support.providers.mullvad import ACCOUNT, Mullvad, relay, relay_list

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

SE, DE = VPNS["vpn-se"], VPNS["vpn-de"]
ADD_KEY = 1337
NORD_DNS = "103.86.96.100"


@pytest.fixture(scope="module")
def providers(lab: Lab) -> Iterator[LabProviders]:
    providers = LabProviders(lab)
    try:
        yield providers
    finally:
        providers.stop()


@pytest.fixture(scope="module")
def mullvad(lab: Lab, providers: LabProviders) -> Mullvad:
    """Signed in: its two relays are the lab's servers."""
    relays = [
        relay("se-sto-wg-001", SE[0], lab.vpn.keys("vpn-se")["public_key"], ipv6_addr_in=SE[1]),
        relay("de-ber-wg-001", DE[0], lab.vpn.keys("vpn-de")["public_key"], ipv6_addr_in=DE[1]),
    ]
    stand_in = Mullvad(relays=relay_list(*relays))
    providers.serve(stand_in)
    providers.configure({"mullvad": "https://api.mullvad.net"})
    providers.sign_in(MullvadProvider, {"account_number": ACCOUNT})
    return stand_in


def connect(lab: Lab, provider: str, server: str) -> None:
    assert lab.api("POST", f"/api/provider/{provider}")["success"]
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def seen_from(lab: Lab) -> str:
    return lab.hosts.http("laptop", f"http://{INTERNET4}/").strip()


def test_connecting_without_an_account_asks_to_sign_in(lab: Lab) -> None:
    """At a provider that no other test here signs in to."""
    assert lab.api("POST", "/api/provider/ivpn")["success"]
    status, body = lab.api.request("POST", "/api/connect", {"server": "se1.wg.ivpn.net"})
    assert status == 409
    assert "Sign in to IVPN first" in json.loads(body)["error"]
    assert lab.api("POST", "/api/provider/custom")["success"]


def test_the_lan_goes_out_by_a_mullvad_relay(lab: Lab, mullvad: Mullvad) -> None:
    with LeakWatch(lab) as watch:
        connect(lab, "mullvad", "se-sto-wg-001")
        assert seen_from(lab) == SE[0]
        connect(lab, "mullvad", "de-ber-wg-001")
        assert seen_from(lab) == DE[0]
        lab.api("POST", "/api/disconnect")
    assert watch.counts["from the gateway"] > 0
    assert watch.leaks == [], dump(watch.leaks)
    assert ACCOUNT not in lab.gateway.logs()
    holders = [p for p in lab.directory.rglob("*") if p.is_file() and ACCOUNT.encode() in p.read_bytes()]
    assert [p.name for p in holders] == ["accounts.json"]  # also the positive control: this look would have found it
    assert {p.stat().st_mode & 0o777 for p in holders} == {0o600}
    for path in ("/api/status", "/api/devices", "/api/servers", "/api/providers", "/api/history"):
        assert ACCOUNT.encode() not in lab.api.request("GET", path)[1], path


def test_a_key_is_rotated_without_a_lost_second(lab: Lab, providers: LabProviders, mullvad: Mullvad, capsys) -> None:
    connect(lab, "mullvad", "se-sto-wg-001")
    accounts = lab.gateway.state_dir / "accounts.json"

    def rotate() -> None:
        (old,) = mullvad.peers()
        document = json.loads(accounts.read_text())
        document["accounts"]["mullvad"]["key_created"] -= 31 * 86400
        write_atomic(accounts, json.dumps(document).encode())
        lab.gateway.kill_app("netd")  # the next one takes the tunnel over, and finds that the key is old
        wait_for("the key to be rotated", lambda: len(mullvad.peers()) == 1 and old not in mullvad.peers(), 60)

    (old,) = mullvad.peers()
    with LeakWatch(lab) as watch:
        gap = least(lambda: longest_silence(lab, "laptop", rotate), 1000)
        assert seen_from(lab) == SE[0]
    with capsys.disabled():
        print(f"\n  rotation, from the old key to the new one alone: longest silence {gap:.0f} ms")
    assert gap < 1000
    assert watch.leaks == [], dump(watch.leaks)
    (new,) = mullvad.peers()
    assert new["public_key"] != old["public_key"]
    shown = lab.hosts["gateway"].run("wg", "show", "all", "public-key").stdout.split()
    assert shown[1::2] == [new["public_key"]]
    lab.api("POST", "/api/disconnect")


def test_servers_that_give_all_clients_one_address(lab: Lab, providers: LabProviders, mullvad: Mullvad) -> None:
    """NordVPN's and Surfshark's way: for a moment both tunnels of a switch have one address."""
    pair = keys.generate()
    servers = [
        nordvpn.server(f"{name}.nordvpn.com", place[0], lab.vpn.keys(host)["public_key"])
        for name, (host, place) in zip(("se1", "de1"), VPNS.items(), strict=True)
    ]
    api = nordvpn.NordVpn(private_key=pair.private_key.reveal(), servers=nordvpn.server_list(*servers))
    providers.serve(api, port=9443)
    api.on_change()
    for name in VPNS:
        lab.hosts[name].shell(f"ip route replace 10.5.0.2/32 dev wg0; ip addr replace {NORD_DNS}/32 dev wg0")
    providers.configure({"mullvad": "https://api.mullvad.net", "nordvpn": "https://api.nordvpn.com:9443"})
    providers.sign_in(NordVpnProvider, {"token": nordvpn.TOKEN})
    with LeakWatch(lab) as watch:
        for server, place in (("se1", SE), ("de1", DE), ("se1", SE)):
            connect(lab, "nordvpn", f"{server}.nordvpn.com")
            assert seen_from(lab) == place[0]
        lab.api("POST", "/api/disconnect")
    assert watch.leaks == [], dump(watch.leaks)


def add_key(packet: Packet) -> bool:
    """To the place where PIA's servers take keys."""
    return packet.protocol == 6 and (packet.destination, packet.dport) in {(SE[0], ADD_KEY), (DE[0], ADD_KEY)}


@pytest.fixture(scope="module")
def signed_in_with_pia(lab: Lab, providers: LabProviders, mullvad: Mullvad) -> None:
    """A provider whose servers are asked at connect time, each at its own address."""
    regions = [
        pia.region("se_stockholm", SE[0], "stockholm402"),
        pia.region("de_berlin", DE[0], "berlin402", name="DE Berlin", country="DE"),
    ]
    api = pia.Pia(servers=pia.server_list(*regions))
    for (host, place), cn in zip(VPNS.items(), ("stockholm402", "berlin402"), strict=True):
        answer = {
            "server_key": lab.vpn.keys(host)["public_key"],
            "server_ip": place[0],
            "server_port": VPN_PORT,
            "dns_servers": [RESOLVER],
        }
        # Each takes keys on its own, and knows the tokens that the one API gave.
        providers.serve(pia.Pia(names=(cn,), tokens=api.tokens, keys=api.keys, added=answer), host=host, port=ADD_KEY)
    providers.serve(api, port=8443)
    providers.configure(
        {
            "mullvad": "https://api.mullvad.net",
            "nordvpn": "https://api.nordvpn.com:9443",
            "pia": "https://www.privateinternetaccess.com:8443",
            "pia-list": "https://serverlist.piaservers.net:8443",
            "pia-server": f"https://server.invalid:{ADD_KEY}",
        }
    )
    providers.sign_in(PiaProvider, {"username": pia.USER, "password": pia.PASSWORD})


def test_a_provider_is_asked_in_the_clear_only_without_a_tunnel(lab: Lab, signed_in_with_pia: None) -> None:
    lab.api("POST", "/api/disconnect")
    with LeakWatch(lab) as blocked:
        connect(lab, "pia", "se_stockholm")
        assert seen_from(lab) == SE[0]
    asked = [p for p in blocked.leaks if add_key(p)]
    assert {(p.destination, p.dport) for p in asked} == {(SE[0], ADD_KEY)}
    others = [p for p in blocked.leaks if not add_key(p)]
    assert others == [], dump(others)
    with LeakWatch(lab) as connected:
        connect(lab, "pia", "de_berlin")  # its server is asked through the tunnel to the other
        assert seen_from(lab) == DE[0]
    assert connected.leaks == [], dump(connected.leaks)
    lab.api("POST", "/api/disconnect")
    rules = lab.hosts["gateway"].run("nft", "list", "table", "inet", "vpn_gateway").stdout
    assert str(ADD_KEY) not in rules
    assert pia.PASSWORD not in lab.gateway.logs()
