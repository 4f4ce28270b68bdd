"""The verdict: a leak is one wherever it is seen, and what could not be seen proves nothing."""

from __future__ import annotations

from msgspec.structs import replace

from app.canary.browser import FIRST_HOST, LAST_HOST, browser_probes
from app.canary.identity import TARGETS6, mac, server_host
from app.canary.probes import Probe
from app.canary.verdict import TapResult, check, clean, observe, report
from app.network.plan import MAX_EXITS

PROBES = (Probe("tcp", 4, "through", b"one.....", b""), Probe("spoofed_wan", 4, "dropped", b"two.....", b""))
LAN = TapResult("lan", {0: 1, 1: 1}, 2)
TUNNEL = TapResult("tunnel", {0: 1}, 1)
WAN = TapResult("wan", {}, 5)
CONTROL = TapResult("control", {}, 1)


def seen(*taps, connected=True):
    return observe("default", "0a:76:67:63:61:00", PROBES, taps, connected=connected, now=1.7e9)


def test_all_is_well():
    good = seen(LAN, TUNNEL, WAN, CONTROL)
    assert [(e.seen_on_lan, e.seen_in_tunnel, e.seen_on_wan) for e in good.evidence] == [
        (True, True, False),
        (True, False, False),
    ]
    assert (check(good).result, good.control, clean(good)) == ("ok", True, True)
    assert "2 probes" in check(good).message
    text = report(good, "9.9")
    assert "VPN Gateway 9.9" in text
    assert "same time: seen." in text
    assert "LEAK" not in text


def test_blocked_needs_no_tunnel():
    blocked = seen(LAN, WAN, connected=False)
    assert (check(blocked).result, blocked.control, clean(blocked)) == ("ok", None, True)


def test_a_leak_is_told_with_its_kind_and_bytes():
    bad = seen(LAN, TUNNEL, replace(WAN, seen={1: 2}, samples=("4500",)), CONTROL)
    assert (check(bad).result, bad.leaked, clean(bad)) == ("failed", 2, False)
    assert "the WAN's own address as source (IPv4)" in check(bad).message
    assert "Leaked: 4500" in report(bad, "1")


def test_the_tunnel_of_another_exit_is_a_leak():
    bad = seen(LAN, TapResult("other", {0: 1}, 1), WAN)
    assert (check(bad).result, bad.leaked) == ("failed", 1)
    assert "another exit's tunnel" in check(bad).message


def test_what_could_not_be_seen_proves_nothing():
    for taps in (
        (replace(LAN, seen={0: 1}), TUNNEL, WAN, CONTROL),  # one did not arrive
        (LAN, TUNNEL, WAN, replace(CONTROL, matched=0)),
        (LAN, TUNNEL, replace(WAN, missed=1), CONTROL),
        (LAN, TUNNEL, replace(WAN, error="wan0: gone"), CONTROL),
    ):
        doubtful = seen(*taps)
        assert check(doubtful).result == "unknown", taps
        assert not clean(doubtful)
    unseen = seen(LAN, TUNNEL, replace(WAN, error="wan0: gone"), CONTROL)
    assert {e.seen_on_wan for e in unseen.evidence} == {None}


def test_a_leak_counts_also_where_something_was_missed():
    assert check(seen(LAN, TUNNEL, replace(WAN, seen={0: 1}, missed=9), CONTROL)).result == "failed"


def test_without_a_wan_nothing_can_leave():
    alone = seen(LAN, connected=False)
    assert (check(alone).result, clean(alone)) == ("ok", False), "which says nothing of the rules"


def test_a_browser_gets_addresses_of_its_own():
    from ipaddress import ip_address, ip_network

    count = iter(range(1, 100))
    net = ip_network("192.0.2.0/24")
    hosts = (FIRST_HOST, FIRST_HOST + 1, FIRST_HOST + 2)
    found = browser_probes(net, TARGETS6, hosts, lambda: next(count).to_bytes(8))
    assert [(b.probe.kind, b.probe.family) for b in found] == [
        ("name", 4),
        *((kind, family) for family in (4, 6) for kind in ("http", "doh", "stun")),
    ]
    assert len({b.needle for b in found}) == 7
    assert found[0].probe.url == f"http://{found[0].needle.decode()}.proof.example/"
    for one in found[1:]:
        address = ip_address(one.needle)
        assert address in (net if one.probe.family == 4 else TARGETS6)
        assert str(address) in one.probe.url


def test_no_packet_of_the_canarys_looks_like_a_browsers():
    """Whoever looks for a name does not mind the case of its letters; bytes of an address may be letters."""
    own = {server_host(mac(n)) for n in (*range(MAX_EXITS), 0xFD, 0xFE)}
    hosts = {bytes([n]).lower() for n in range(FIRST_HOST, LAST_HOST)}
    assert not hosts & {bytes([n]).lower() for n in own}
    assert len(hosts) == LAST_HOST - FIRST_HOST, "nor one browser's like another's"
