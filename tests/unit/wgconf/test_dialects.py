"""Every dialect: good is taken, bad refused with line, key and reason, policy is as in docs/import.md.

The files are in tests/data/conf; tests/data/README.md says what they are.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from app import wgconf
from app.wgconf import ConfigError

CONF = Path(__file__).parents[2] / "data" / "conf"


def files(kind: str) -> list[str]:
    return sorted(path.name for path in (CONF / kind).glob("*.conf"))


def parse(kind: str, name: str, **options) -> wgconf.ParsedConfig:
    return wgconf.parse((CONF / kind / name).read_bytes(), name=name.removesuffix(".conf"), **options)


def codes(parsed: wgconf.ParsedConfig) -> set[str]:
    return {warning.code for warning in parsed.warnings}


@pytest.mark.parametrize("name", files("good"))
def test_a_good_file_is_taken(name: str) -> None:
    parsed = parse("good", name)
    assert parsed.config.addresses
    assert any(peer.endpoint for peer in parsed.config.peers)


BAD = {
    "edge-allowedips-empty-peer2.conf": (12, "AllowedIPs", "empty"),
    "missing-public-key.conf": (5, "PublicKey", "has none"),
    "no-key-and-no-peer.conf": (2, "PrivateKey", "44 characters"),
    "no-key-at-all.conf": (2, "PrivateKey", "44 characters"),
    "own-addr-garbage.conf": (3, "Address", "not an IP address"),
    "own-address-multicast.conf": (3, "Address", "multicast"),
    "own-dup-peer-key.conf": (11, "PublicKey", "same public key"),
    "own-endpoint-open-bracket.conf": (8, "Endpoint", "[IPv6 address]:port"),
    "own-endpoint-v6-unbracketed.conf": (8, "Endpoint", "brackets"),
    "own-fwmark-bad.conf": (4, "FwMark", "0xffffffff"),
    "own-inject-address.conf": (3, "Address", "not an IP address"),
    "own-inject-dns.conf": (4, "DNS", "neither an IP address nor a host name"),
    "own-listenport-neg.conf": (4, "ListenPort", "not a port"),
    "own-mtu-100.conf": (4, "MTU", "between 576 and 9200"),
    "own-no-address.conf": (1, "Address", "has none"),
    "own-no-endpoint.conf": (5, "Endpoint", "nothing to connect to"),
    "own-no-peer.conf": (1, "[Peer]", "no such section"),
    "own-nul.conf": (3, "Address", "U+0000"),
    "own-peer-is-self.conf": (6, "PublicKey", "private key given"),
    "own-priv-43chars.conf": (2, "PrivateKey", "44 characters"),
    "own-priv-urlsafe.conf": (2, "PrivateKey", "URL-safe"),
    "own-psk-short.conf": (9, "PresharedKey", "44 characters"),
    "second-peer-without-public-key.conf": (10, "PublicKey", "has none"),
    "unknown-setting-in-interface.conf": (4, "Compression", "no such setting"),
    "unknown-setting.conf": (7, "DoesNotExist", "no such setting"),
}


def test_every_bad_file_has_its_expectation() -> None:
    assert set(BAD) == set(files("bad"))


@pytest.mark.parametrize("name", files("bad"))
def test_a_bad_file_is_refused_with_line_key_and_reason(name: str) -> None:
    line, key, reason = BAD[name]
    with pytest.raises(ConfigError) as refused:
        parse("bad", name)
    error = refused.value
    assert (error.line, error.key) == (line, key)
    assert reason in error.reason
    assert str(error) == f"line {line}: {key}: {error.reason}"
    assert (error.status, error.field, error.code) == (422, "config", "invalid_config")


POLICY_REFUSED = {
    "awg-1.0-obfuscated.conf": (7, "S1", "AmneziaWG"),
    "awg-2.0.conf": (7, "S1", "AmneziaWG"),
    "awg-keepalive-range.conf": (9, "PersistentKeepalive", "AmneziaWG"),
    "key-zone-wgsd-extra-sections.conf": (10, "[Socks5]", "not a section"),
}
POLICY_WARNED = {
    "awg-warp-compatible.conf": "amneziawg_junk",
    "dns-public-outside.conf": None,
    "duplicate-mtu.conf": "given_twice",
    "endpoint-in-lan.conf": "private_endpoint",
    "lan-overlap-address.conf": None,
    "search-domain-with-underscore-first.conf": "search_domain",
    "search-domain-with-underscore.conf": "search_domain",
    "split-tunnel-only.conf": "split_tunnel",
    "uncommented-name-keys.conf": "not_used",
}


def test_every_policy_file_is_decided() -> None:
    assert {*POLICY_REFUSED, *POLICY_WARNED} == set(files("policy"))


@pytest.mark.parametrize("name", sorted(POLICY_REFUSED))
def test_policy_refused(name: str) -> None:
    line, key, reason = POLICY_REFUSED[name]
    with pytest.raises(ConfigError, match=reason) as refused:
        parse("policy", name)
    assert (refused.value.line, refused.value.key) == (line, key)


@pytest.mark.parametrize("name", sorted(POLICY_WARNED))
def test_policy_taken_with_its_warning(name: str) -> None:
    found = codes(parse("policy", name)) - {"no_ipv6", "no_dns"}
    assert found == ({POLICY_WARNED[name]} if POLICY_WARNED[name] else set())


def test_the_last_mtu_counts() -> None:
    assert parse("policy", "duplicate-mtu.conf").config.mtu == 1300


def test_an_address_in_our_own_lan_is_refused_and_elsewhere_fine() -> None:
    with pytest.raises(ConfigError, match="own LAN") as refused:
        parse("policy", "lan-overlap-address.conf", lan=(ip_network("192.168.1.0/24"),))
    assert (refused.value.line, refused.value.key) == (3, "Address")
    parse("policy", "lan-overlap-address.conf", lan=(ip_network("192.168.77.0/24"), ip_network("fd00::/64")))


def test_hooks_are_returned_apart_and_reported_by_line() -> None:
    parsed = parse("good", "edge-hooks-multi.conf")
    assert parsed.hooks == (
        "PreUp = true",
        "PostUp = logger up %i # not a comment for wg-quick",
        "PostUp = iptables -A FORWARD -i %i -j ACCEPT",
        "PostDown = logger down %i",
    )
    assert [(w.line, w.key) for w in parsed.warnings if w.code == "hook"] == [
        (4, "PreUp"),
        (5, "PostUp"),
        (6, "PostUp"),
        (7, "PostDown"),
    ]
    assert "iptables" not in wgconf.format_config(parsed.config)


@pytest.mark.parametrize(
    ("name", "provider", "location", "device"),
    [
        ("px-mullvad-web.conf", "Mullvad", None, "Happy Cat"),
        ("px-mullvad-ipv6-endpoint.conf", "Mullvad", None, None),
        ("px-nordlynx-unofficial.conf", "NordVPN", "Singapore", None),
        ("px-proton-dashboard-v4.conf", "Proton VPN", "Norway", None),
        ("px-windscribe.conf", "Windscribe", None, None),
        ("px-wgeasy-client.conf", None, None, None),
    ],
)
def test_hints(name: str, provider: str | None, location: str | None, device: str | None) -> None:
    parsed = parse("good", name)
    assert (parsed.provider, parsed.location, parsed.device) == (provider, location, device)


def test_two_halves_are_a_full_tunnel() -> None:
    parsed = parse("good", "px-nordlynx-unofficial.conf")
    assert not codes(parsed) & {"split_tunnel", "no_ipv4", "no_ipv6"}


def test_utf16_and_byte_order_marks_change_nothing() -> None:
    plain = parse("good", "edge-cr-only-mixed.conf").config
    assert parse("good", "edge-utf8-bom.conf").config == plain
    assert parse("good", "edge-utf16le-bom.conf").config == plain


def test_the_files_have_the_bytes_they_are_about() -> None:
    """A checkout that converts line ends or encodings would leave tests that pass and say nothing."""

    def data(name: str) -> bytes:
        return (CONF / name).read_bytes()

    assert data("good/edge-utf8-bom.conf").startswith(b"\xef\xbb\xbf[")
    assert data("good/edge-utf16le-bom.conf").startswith(b"\xff\xfe[\0")
    mixed = data("good/edge-cr-only-mixed.conf")
    assert 0 < mixed.count(b"\r\n") < mixed.count(b"\n")
    assert b"\0" in data("bad/own-nul.conf")
    for name in ("good/px-wgeasy-client.conf", "good/lists-without-spaces.conf", "good/address-with-subnet.conf"):
        assert data(name)[-1:].isalnum(), f"{name} has no line end at its end"


def endpoints(name: str) -> list[str]:
    return [f"{peer.endpoint.host} {peer.endpoint.port}" for peer in parse("good", name).config.peers if peer.endpoint]


def networks(name: str) -> list[list[str]]:
    return [[str(network) for network in peer.allowed_ips] for peer in parse("good", name).config.peers]


def addresses(name: str) -> list[str]:
    return [str(address) for address in parse("good", name).config.addresses]


def test_peers_are_reached_in_three_ways() -> None:
    assert endpoints("three-peers-split.conf") == [
        "198.51.100.21 4500",
        "2001:db8:46::1 4600",
        "lyon.example.net 4700",
    ]
    assert networks("three-peers-split.conf") == [["10.44.0.1/32", "10.45.0.0/16"], ["10.46.0.0/16"], ["10.47.0.0/16"]]
    assert "split_tunnel" in codes(parse("good", "three-peers-split.conf"))


def test_what_is_commented_out_does_not_count() -> None:
    assert addresses("comments-everywhere.conf") == ["10.44.0.7/32"]
    assert parse("good", "comments-everywhere.conf").config.dns == ()
    assert endpoints("comments-everywhere.conf") == ["berlin.example.net 51820"]
    assert networks("comments-everywhere.conf") == [["0.0.0.0/0"]]


def test_lists_may_go_on_in_another_line() -> None:
    assert addresses("lists-in-several-lines.conf") == ["10.44.0.7/24", "fe80::44:7/64"]
    assert networks("lists-in-several-lines.conf") == [["0.0.0.0/0", "fd00:45::/32", "fe80::44:1/128"]]
    assert [str(a) for a in parse("good", "lists-in-several-lines.conf").config.dns] == ["10.44.0.1", "10.44.0.2"]


def test_lists_need_no_spaces() -> None:
    assert addresses("lists-without-spaces.conf") == ["10.44.0.7/32", "fd00:44::7/128"]
    assert networks("lists-without-spaces.conf") == [["0.0.0.0/0", "::/0"]]
    assert endpoints("lists-without-spaces.conf") == ["198.51.100.21 51820"]


def test_addresses_are_brought_to_one_form() -> None:
    assert networks("allowedips-host-bits.conf") == [["0.0.0.0/0", "10.45.0.0/16", "2001:db8:45::/48"]]
    assert addresses("upper-case-ipv6.conf") == ["2001:db8:abcd:44::7/128", "10.44.0.7/32"]
    assert endpoints("upper-case-ipv6.conf") == ["2001:db8:abcd::1 51820"]
    assert addresses("address-with-subnet.conf") == ["10.44.3.7/23"]
