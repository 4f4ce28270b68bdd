"""Whole files: encodings, sections, what is dropped with a warning, what contradicts itself."""

from __future__ import annotations

import codecs
from ipaddress import ip_network
from time import thread_time

import pytest

from app import wgconf
from app.model import Secret
from app.wgconf import ConfigError

PRIVATE = "UBaWkwU5zlBHI/OZ7ZTkOzgcDw7mZqs8d9zmQXUE10M="
PUBLIC = "5JMPeO7gXIbR5CnUa/NPNK4L5GqUnreF0/Bozai4pl4="
OTHER = "rWiQxq5lAWD8v/bws9ITSAvThyZW8cR2x+Ins9ZvvRo="


def conf(interface: str = "", peer: str = "", *, address: str = "10.9.0.2/32", allowed: str = "0.0.0.0/0") -> str:
    """A file that is good but for what is added; our lines begin at 4 in [Interface] and at the end of [Peer]."""
    return (
        f"[Interface]\nPrivateKey = {PRIVATE}\nAddress = {address}\n{interface}\n"
        f"[Peer]\nPublicKey = {PUBLIC}\nAllowedIPs = {allowed}\nEndpoint = 198.51.100.7:51820\n{peer}\n"
    )


def refusal(data: bytes | str, **options) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        wgconf.parse(data, **options)
    return refused.value


def warnings(text: str, **options) -> dict[str, str]:
    return {w.code: str(w) for w in wgconf.parse(text, **options).warnings}


# --- Encodings and lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoded",
    [
        str.encode,
        lambda t: codecs.BOM_UTF8 + t.encode(),
        lambda t: codecs.BOM_UTF16_LE + t.encode("utf-16-le"),
        lambda t: codecs.BOM_UTF16_BE + t.encode("utf-16-be"),
        lambda t: t.encode("utf-16-le"),
        lambda t: t.encode("utf-16-be"),
        lambda t: "\ufeff" + t,
    ],
)
def test_every_encoding_and_line_end_reads_the_same(encoded, end: str) -> None:
    expected = wgconf.parse(conf("DNS = 10.9.0.1")).config
    assert wgconf.parse(encoded(conf("DNS = 10.9.0.1").replace("\n", end))).config == expected


def test_line_numbers_count_every_kind_of_line_end() -> None:
    assert refusal("[Interface]\r\n\rUnknown = x\r\n").line == 3


def test_latin1_in_a_comment_is_no_obstacle() -> None:
    parsed = wgconf.parse(conf("# Zürich").encode("latin-1"))
    assert parsed.config == wgconf.parse(conf()).config
    assert "encoding" in {w.code for w in parsed.warnings}


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF32_LE + conf().encode("utf-32-le"),
        codecs.BOM_UTF16_LE + conf().encode("utf-16-le") + b"\0\xd8",
        b"\xff\xfe\x00",
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    assert "save it as UTF-8" in refusal(data).reason


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x85", "\x0b", "\ud800"])
def test_control_characters_are_refused_where_they_are(character: str) -> None:
    error = refusal(conf(f"DNS = 10.9.0.1{character}"))
    assert (error.line, error.key) == (4, "DNS")
    assert f"U+{ord(character):04X}" in error.reason


def test_a_separator_of_other_systems_ends_no_line() -> None:
    error = refusal(conf("DNS = 10.9.0.1\u2028MTU = 1300"))
    assert (error.line, error.key) == (4, "DNS")


def test_too_large() -> None:
    padding = "#" * (wgconf.MAX_BYTES - len(conf()))
    wgconf.parse(conf() + padding)
    assert "64 KiB" in refusal(conf() + padding + "#").reason
    assert "64 KiB" in refusal((conf() + padding + "#").encode()).reason
    assert "64 KiB" in refusal("#" + "é" * (wgconf.MAX_BYTES // 2)).reason


# --- Sections and settings -------------------------------------------------------------------------------------------


def test_nothing_at_all() -> None:
    for data in ("", b"", "\n\n", "# only a comment"):
        error = refusal(data)
        assert (error.line, error.key) == (1, "[Interface]")


@pytest.mark.parametrize(
    ("text", "line", "key", "reason"),
    [
        ("PrivateKey = x\n[Interface]", 1, "PrivateKey", "must begin with"),
        (conf() + "[Interface]\n", 10, "[Interface]", "second one"),
        (conf() + "[Proxy]\n", 10, "[Proxy]", "not a section"),
        (conf("[Inter"), 4, None, "is written"),
        (conf("[" + " " * 60000 + "x"), 4, None, "is written"),
        (conf("nonsense"), 4, None, "neither a section nor a setting"),
        (conf("; comment"), 4, None, "neither a section nor a setting"),
        (conf("= 5"), 4, None, "not a setting's name"),
        (conf("a b = 5"), 4, None, "not a setting's name"),
        (conf("ListenPort ="), 4, "ListenPort", "empty"),
        (conf(address=" , "), 1, "Address", "has none"),
        (conf("Endpoint = 192.0.2.1:5"), 4, "Endpoint", "belongs in [Peer]"),
        (conf(peer="MTU = 1300"), 9, "MTU", "belongs in [Interface]"),
        (conf(peer="PostUp = reboot"), 9, "PostUp", "belongs in [Interface]"),
        (conf("Table = off; reboot"), 4, "Table", "not auto, off"),
        (conf("SaveConfig = maybe"), 4, "SaveConfig", "not true or false"),
        (conf("FwMark = 0x1ffffffff"), 4, "FwMark", "0xffffffff"),
        (conf("FwMark = 4294967296"), 4, "FwMark", "0xffffffff"),
        (conf("ListenPort = 65536"), 4, "ListenPort", "not a port"),
        (conf("MTU = 1279", address="10.9.0.2,fd00::2"), 4, "MTU", "IPv6 needs 1280"),
        (conf("MTU = 99\nMTU = 1300"), 4, "MTU", "not an MTU"),
        (conf(peer="AdvancedSecurity = on"), 9, "AdvancedSecurity", "AmneziaWG"),
        (conf("\n".join(f"Address = 10.0.0.{i}" for i in range(1, 17))), 19, "Address", "more than 16"),
        (conf("\n".join(f"DNS = 10.0.0.{i}" for i in range(1, 18))), 20, "DNS", "more than 16"),
        (conf("\n".join("PostUp = true" for _ in range(65))), 68, "PostUp", "more than 64"),
        (conf() + f"[Peer]\nPublicKey = {OTHER}\n" * 64, 136, "[Peer]", "more than 64"),
    ],
)
def test_refused(text: str, line: int, key: str | None, reason: str) -> None:
    error = refusal(text)
    assert (error.line, error.key) == (line, key)
    assert reason in error.reason


def test_what_wg_quick_reads_may_be_empty() -> None:
    bare = wgconf.parse(conf()).config
    assert wgconf.parse(conf("DNS =\nMTU =\nTable =\nAddress =")).config == bare
    assert wgconf.parse(conf("DNS = ,")).config == bare


def test_a_second_peer_without_endpoint_or_networks_is_reported() -> None:
    found = warnings(conf() + f"[Peer]\nPublicKey = {OTHER}\n")
    assert {"peer_without_endpoint", "peer_without_networks"} <= set(found)


def test_all_allowed_ips_together_have_a_limit() -> None:
    many = ",".join(f"10.{i // 256}.{i % 256}.0/24" for i in range(1024))
    wgconf.parse(conf(allowed=many))
    error = refusal(conf(allowed=many) + f"[Peer]\nPublicKey = {OTHER}\nAllowedIPs = 11.0.0.0/8\n")
    assert (error.line, error.key) == (12, "AllowedIPs")


def test_a_single_peer_without_networks_is_refused() -> None:
    interface = f"[Interface]\nPrivateKey = {PRIVATE}\nAddress = 10.9.0.2\n"
    error = refusal(f"{interface}[Peer]\nPublicKey = {PUBLIC}\nEndpoint = 192.0.2.1:5\n")
    assert (error.line, error.key) == (4, "AllowedIPs")


def test_network_of_two_peers_goes_to_the_last() -> None:
    """A network that two peers claim goes to the last, as in the kernel."""
    parsed = wgconf.parse(
        conf(allowed="0.0.0.0/0, 10.1.0.0/16") + f"[Peer]\nPublicKey = {OTHER}\nAllowedIPs = 0.0.0.0/0\n"
    )
    first, second = parsed.config.peers
    assert first.allowed_ips == (ip_network("10.1.0.0/16"),)
    assert second.allowed_ips == (ip_network("0.0.0.0/0"),)
    assert "claimed_twice" in {w.code for w in parsed.warnings}


# --- What people are told --------------------------------------------------------------------------------------------

EXCLUDE_PRIVATE = (
    "0.0.0.0/5, 8.0.0.0/7, 11.0.0.0/8, 12.0.0.0/6, 16.0.0.0/4, 32.0.0.0/3, 64.0.0.0/2, 128.0.0.0/3, 160.0.0.0/5, "
    "168.0.0.0/6, 172.0.0.0/12, 172.32.0.0/11, 172.64.0.0/10, 172.128.0.0/9, 173.0.0.0/8, 174.0.0.0/7, 176.0.0.0/4, "
    "192.0.0.0/9, 192.128.0.0/11, 192.160.0.0/13, 192.169.0.0/16, 192.170.0.0/15, 192.172.0.0/14, 192.176.0.0/12, "
    "192.192.0.0/10, 193.0.0.0/8, 194.0.0.0/7, 196.0.0.0/6, 200.0.0.0/5, 208.0.0.0/4"
)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("0.0.0.0/0, ::/0", set()),
        ("0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1", set()),
        (f"{EXCLUDE_PRIVATE}, 2000::/3", set()),
        ("0.0.0.0/0", {"no_ipv6"}),
        ("::/0", {"no_ipv4"}),
        ("0.0.0.0/1, ::/0", {"no_ipv4"}),
        ("0.0.0.0/1", {"split_tunnel"}),
        ("10.0.0.0/8, fd00::/8", {"split_tunnel"}),
    ],
)
def test_full_and_split_tunnels(allowed: str, expected: set[str]) -> None:
    found = set(warnings(conf("DNS = 10.9.0.1", address="10.9.0.2, fd00::2", allowed=f"{allowed}, 10.9.0.1")))
    assert found == expected


def test_ipv6_in_allowed_ips_without_an_address_is_reported() -> None:
    assert "no_ipv6_address" in warnings(conf(allowed="0.0.0.0/0,::/0"))
    assert "no_ipv4_address" in warnings(conf(address="fd00::2", allowed="0.0.0.0/0,::/0"))


def test_dns_that_cannot_be_used_is_warned_of() -> None:
    assert "no_dns" in warnings(conf())
    assert "dns_not_routed" in warnings(conf("DNS = 1.1.1.1", allowed="10.0.0.0/8"))
    parsed = wgconf.parse(conf("DNS = 192.168.77.1, 10.9.0.1, fd00::1"), lan=(ip_network("192.168.77.0/24"),))
    assert [str(a) for a in parsed.config.dns] == ["10.9.0.1"]
    assert {"dns_in_lan", "dns_no_address"} <= {w.code for w in parsed.warnings}
    assert (
        "line 4: Search domains are not used: corp.example" in warnings(conf("DNS = 10.9.0.1, corp.example")).values()
    )


def test_overlap_with_the_lan_is_warned_of() -> None:
    lan = (ip_network("192.168.77.0/24"),)
    assert "lan_overlap" in warnings(conf(address="192.168.1.2/16"), lan=lan)
    assert "lan_overlap" in warnings(conf(allowed="0.0.0.0/0, 192.168.0.0/16"), lan=lan)
    assert "lan_overlap" not in warnings(conf(), lan=lan)


@pytest.mark.parametrize(
    "line", ["Table = auto", "FwMark = off", "SaveConfig = true", "ListenPort = 51820", "Name = x"]
)
def test_unused_settings_are_warned_of(line: str) -> None:
    assert warnings(conf(line))["not_used"].startswith(f"line 4: {line.partition(' ')[0]} is")


@pytest.mark.parametrize("extra", ["I1 = <b 0xf6ab>", "Jc = 4\nS1 = 0\nH4 = 4"])
def test_amneziawg_with_junk_only_is_wireguard(extra: str) -> None:
    assert "amneziawg_junk" in warnings(conf(extra))


def test_a_name_gives_the_country_of_mullvads_files() -> None:
    assert wgconf.parse(conf(), name="se-sto-wg-001").location == "Sweden"


# --- Secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        conf(f"PrivatKey = {OTHER}"),
        conf(f"Address = {OTHER}"),
        conf(f"DNS = {OTHER}"),
        conf(f"MTU = {OTHER}"),
        conf(f"Table = {OTHER}"),
        conf(f"FwMark = {OTHER}"),
        conf(OTHER),
        conf(f"[{OTHER}]"),
        conf(f"[{OTHER[15:35]}]"),
        conf(f"PrivateKey = {OTHER}\0"),
        conf(f"PrivateKey = {OTHER}{OTHER}"),
        conf(f"PrivateKey{OTHER}"),
        conf(f"PrivateKey {OTHER} = 5"),
        conf(peer=f"Endpoint = {OTHER}:5"),
        conf(peer=f"AllowedIPs = {OTHER}"),
        conf(peer=f"PersistentKeepalive = {OTHER}"),
        conf(peer=f"PresharedKey = {OTHER[:-1]}"),
        conf(f"{OTHER[15:]}"),
        conf(f"{OTHER[15:]} 5"),
        OTHER,
    ],
)
def test_an_error_never_holds_a_key(text: str) -> None:
    error = refusal(text)
    shown = f"{error} {error!r} {error.message} {error.key} {error.reason}"
    for key in (OTHER, PRIVATE):
        assert not [at for at in range(28) if key[at : at + 16] in shown]


def test_hook_is_reported_without_the_key_in_it() -> None:
    found = warnings(conf(f"PostUp = wg set %i private-key <(echo {OTHER})"))
    assert "***" in found["hook"]
    assert OTHER[:10] not in str(found)


def test_the_parsed_configuration_does_not_show_its_keys() -> None:
    parsed = wgconf.parse(conf(peer=f"PresharedKey = {OTHER}"))
    assert parsed.config.private_key == Secret(PRIVATE)
    assert parsed.config.peers[0].preshared_key == Secret(OTHER)
    assert PRIVATE[:10] not in repr(parsed)
    assert OTHER[:10] not in repr(parsed)


# --- Hostile sizes ---------------------------------------------------------------------------------------------------


def _fill(unit: str, start: str = "", end: str = "") -> str:
    return start + unit * ((wgconf.MAX_BYTES - len(start) - len(end)) // len(unit)) + end


@pytest.mark.parametrize(
    "text",
    [
        _fill("[" + " " * 100),
        _fill(" ", "[", "x]"),
        _fill("\n"),
        _fill("#\n"),
        _fill("[Peer]\n", "[Interface]\n"),
        _fill("MTU=1300\n", "[Interface]\n"),
        _fill("PostUp=x\n", "[Interface]\n"),
        _fill(",", "[Interface]\nAddress=10.0.0.1"),
        _fill("a", "[Interface]\nDNS="),
        _fill("a.", "[Interface]\nDNS=", "-"),
        _fill("A", "[Interface]\nPrivateKey="),
        _fill("9", "[Interface]\nMTU="),
        _fill("=", "[Interface]\na"),
        _fill("::", f"{conf()}Endpoint=[", "]:5"),
        _fill("1.1.1.1,", f"{conf()}AllowedIPs=", "1.1.1.1"),
        conf(allowed=",".join(f"10.{i // 128}.{i % 128 * 2}.0/24" for i in range(1024))),
        conf(allowed=",".join(f"2001:{i:x}::/32" for i in range(1024))),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_64_kib_are_decided_quickly(text: str) -> None:
    """By the processor's time, of which others on the machine take none: what is quadratic needs many seconds of it."""
    assert len(text) <= wgconf.MAX_BYTES
    started = thread_time()
    try:
        wgconf.parse(text)
    except ConfigError:
        pass
    assert thread_time() - started < 1.0


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("Address", conf(address="192.168.77.9/32")),
        ("Address", conf(address="198.18.53.9/32")),
        ("Address", conf(address="fd76:706e:6777:53::2/128")),
    ],
)
def test_address_in_the_gateways_own_networks_is_refused(key, text):
    """Nothing could be reached there: it is the LAN, or stands in for the tunnel's resolvers."""
    with pytest.raises(ConfigError) as caught:
        wgconf.parse(text, lan=(ip_network("192.168.77.0/24"),))
    assert caught.value.key == key
    assert "To mend it" in caught.value.reason
