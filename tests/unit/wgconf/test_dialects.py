"""Every dialect: good is taken, bad refused with line, key and reason, policy is as in docs/import.md.

The real-world files are read from the data shared beside the project, our own additions from conf/.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from app import wgconf
from app.wgconf import ConfigError

CONF = (Path(__file__).parents[4] / "shared" / "data" / "conf", Path(__file__).parent / "conf")


def files(kind: str) -> list[str]:
    return sorted(path.name for folder in CONF for path in (folder / kind).glob("*.conf"))


def parse(kind: str, name: str, **options) -> wgconf.ParsedConfig:
    path = next(folder / kind / name for folder in CONF if (folder / kind / name).exists())
    return wgconf.parse(path.read_bytes(), name=name.removesuffix(".conf"), **options)


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
    "ts-android-missing-attribute.conf": (5, "PublicKey", "has none"),
    "ts-android-unknown-attribute.conf": (8, "DontLetTheFeelingFade", "no such setting"),
    "ts-nm-wg-test1.conf": (2, "PrivateKey", "44 characters"),
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
    "key-zone-wgsd-extra-sections.conf": (10, "[Socks5]", "no section"),
    "ts-android-invalid-value.conf": (3, "DNS", "neither"),
    "search-domain-with-underscore.conf": (3, "DNS", "neither"),
}
POLICY_WARNED = {
    "awg-warp-compatible.conf": "amneziawg_junk",
    "dns-public-outside.conf": None,
    "duplicate-mtu.conf": "given_twice",
    "endpoint-in-lan.conf": "private_endpoint",
    "lan-overlap-address.conf": None,
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


def test_hooks_are_returned_apart_and_told_line_by_line() -> None:
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
